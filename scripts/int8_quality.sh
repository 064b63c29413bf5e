#!/usr/bin/env bash
# What int8 costs, after training and with fine-tuning: one network, searched briefly and retrained
# with several seeds, exported with `nas export --int8 --qat`.
#
#   scripts/int8_quality.sh TASK DATA WEIGHTS runs/int8-camvid [SEEDS] [HEIGHT,WIDTH] [EPOCHS] [TUNING]
#
# TASK is a YAML file of segmentation such as docs/tasks/camvid.yaml, WEIGHTS those of mobilenetv2_100
# on ImageNet. What is there already is not made again. The table is printed by
# scripts/int8_table.py, over all networks of the run.
set -euo pipefail

task=${1:?a YAML file of a segmentation task}
data=${2:?the folder of its images}
weights=${3:?the weights of mobilenetv2_100}
run=${4:?a folder for the run}
seeds=${5:-4}
size=${6:-120,160}
epochs=${7:-30}
tuning=${8:-8}
nas=${NAS:-.venv/bin/nas}
python=${PYTHON:-.venv/bin/python}

if [ ! -f "$run/run.json" ]; then
    "$nas" search --task "$task" --data "$data" --set "task_options.input_size=[$size]" \
        --encoder-weights "$weights" --set evaluation.encoder.options.pad_type=same \
        --no-distillation --space small --penalty none --trials 4 --run "$run" \
        --set "space.options={decoder: fastnas, encoders: [mobilenetv2_100], strides: [16], widths: [24]}"
fi
for seed in $(seq 0 $((seeds - 1))); do
    place="$run/retrain/seed-$seed"
    "$nas" retrain "$run" --best --epochs "$epochs" --seed "$seed" --out "$place"
    [ -f "$place/model.json" ] ||
        "$nas" export "$place" --int8 --qat --epochs "$tuning" --seed "$seed"
done
"$python" scripts/int8_table.py "$run"/retrain/seed-*/model.json
