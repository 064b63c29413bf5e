#!/usr/bin/env bash
# Distillation on CUB-200-2011: networks alone, networks taught by others, networks taught by
# themselves. Needs the data, timm's ImageNet weights and a GPU for a day or two:
#
#   scripts/cub_distillation.sh CUB_200_2011 runs/cub [cuda:0] [SEEDS]
#
# A run that is there already is not made again, so the script can be stopped and started.
set -euo pipefail

data=${1:?the folder CUB_200_2011}
runs=${2:?a folder for the runs}
device=${3:-cuda:0}
seeds=${4:-1}
nas=${NAS:-.venv/bin/nas}

# The recipe that all share. bfloat16 stands for mixed precision; the losses are float32 in any case,
# so that similarity needs no exception.
recipe=(
    --task docs/tasks/cub.yaml --data "$data" --weights imagenet --device "$device"
    --seeds "$seeds" --epochs 150
    --set training.learning_rate=1e-4 --set training.weight_decay=5e-4
    --set training.batch_size=64 --set training.label_smoothing=0.1
    --set "training.augmentation={crop: resized, flip: true, policy: auto_augment}"
    --set training.patience=30 --set training.warmup=0.05
    --set "training.monitors=[accuracy, mean_class_accuracy]"
)
half=(--set training.precision=bfloat16)

train() { # NAME MODEL [OPTION ...]
    local name=$1 model=$2
    shift 2
    "$nas" train --run "$runs/$name" --model "$model" "${recipe[@]}" "$@"
}

distill() { # NAME STUDENT TEACHER METHOD (--ratio|--weight) VALUE [OPTION ...]
    local name=$1 student=$2 teacher=$3 method=$4 how=$5 value=$6
    shift 6
    "$nas" distill --run "$runs/$name" --model "$student" --teacher "$runs/$teacher" \
        --method "$method" "$how" "$value" "${recipe[@]}" "${half[@]}" "$@"
}

train mobilenetv2 mobilenetv2_100 "${half[@]}"
train mobilenetv2-float32 mobilenetv2_100
train resnet50 resnet50 "${half[@]}"
train resnet50-float32 resnet50
train ghostnet ghostnet_100 "${half[@]}"
train ghostnet-float32 ghostnet_100
train efficientnetv2_s efficientnetv2_s "${half[@]}"

for teacher in resnet50 ghostnet; do
    distill "$teacher-soft_target" mobilenetv2_100 "$teacher" soft_target --ratio 0.7
done
distill resnet50-mgd mobilenetv2_100 resnet50 mgd --ratio 0.7
distill ghostnet-mgd mobilenetv2_100 ghostnet mgd --ratio 0.2
distill resnet50-attention mobilenetv2_100 resnet50 attention --weight 100
distill ghostnet-attention mobilenetv2_100 ghostnet attention --weight 1000
# The experiments that this repeats normalised the rows by L1.
distill resnet50-similarity mobilenetv2_100 resnet50 similarity --weight 10 --option norm=l1
distill ghostnet-similarity mobilenetv2_100 ghostnet similarity --weight 10 --option norm=l1

# Taught by a network of the same kind.
distill mobilenetv2-itself mobilenetv2_100 mobilenetv2 attention --weight 100
distill resnet50-itself resnet50 resnet50 attention --weight 100
distill ghostnet-itself ghostnet_100 ghostnet attention --weight 1000

# A teacher that is much stronger.
distill efficientnetv2_s-soft_target mobilenetv2_100 efficientnetv2_s soft_target --ratio 0.7
distill efficientnetv2_s-mgd mobilenetv2_100 efficientnetv2_s mgd --ratio 0.7
distill efficientnetv2_s-mgd-ema mobilenetv2_100 efficientnetv2_s mgd --ratio 0.7 \
    --set training.polyak=0.9999

for run in "$runs"/*/; do
    echo "== $run"
    "$nas" evaluate "$run" --split validation --device "$device"
    "$nas" evaluate "$run" --split test --tta --device "$device"
done
