#!/usr/bin/env bash
# Distillation on CUB-200-2011: networks alone, networks taught by others, networks taught by
# themselves. Needs the data, timm's ImageNet weights and a GPU for a day or two:
#
#   scripts/cub_distillation.sh CUB_200_2011 runs/cub [cuda:0] [SEEDS]
#
# A run that is there already is not made again, so the script can be stopped and started. What it
# repeats was trained once; SEEDS above 1 tell how much is chance. Which images are in which split is
# not known of it, only how many, so that figures can be compared and single images cannot.
set -euo pipefail

data=${1:?the folder CUB_200_2011}
runs=${2:?a folder for the runs}
device=${3:-cuda:0}
seeds=${4:-1}
nas=${NAS:-.venv/bin/nas}

# The recipe that all share; bfloat16 stands for mixed precision. Of a short side of 246 pixels 224 are
# cut out at random, and nothing is mirrored in training.
recipe=(
    --task docs/tasks/cub_dealt.yaml --data "$data" --weights imagenet --device "$device"
    --seeds "$seeds" --epochs 150
    --set training.learning_rate=1e-4 --set training.weight_decay=5e-4
    --set training.batch_size=64 --set training.label_smoothing=0.1
    --set "training.augmentation={crop: random, policy: auto_augment}"
    --set model.options.drop_rate=0.2
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
        --method "$method" "$how" "$value" "${recipe[@]}" "$@"
}

distill_half() { # the same in mixed precision
    distill "$@" "${half[@]}"
}

train mobilenetv2 mobilenetv2_100 "${half[@]}"
train mobilenetv2-float32 mobilenetv2_100
train resnet50 resnet50 "${half[@]}"
train resnet50-float32 resnet50
train ghostnet ghostnet_100 "${half[@]}"
train ghostnet-float32 ghostnet_100
# timm has no weights for its own efficientnetv2_s.
train efficientnetv2_s tf_efficientnetv2_s.in1k "${half[@]}"

for teacher in resnet50 ghostnet; do
    distill_half "$teacher-soft_target" mobilenetv2_100 "$teacher" soft_target --ratio 0.7
done
distill_half resnet50-mgd mobilenetv2_100 resnet50 mgd --ratio 0.7
distill_half ghostnet-mgd mobilenetv2_100 ghostnet mgd --ratio 0.2
distill_half resnet50-attention mobilenetv2_100 resnet50 attention --weight 100
distill_half ghostnet-attention mobilenetv2_100 ghostnet attention --weight 1000
# The experiments that this repeats normalised the rows by L1, and had neither the students nor the
# teachers of these two rows in mixed precision.
distill resnet50-similarity mobilenetv2_100 resnet50-float32 similarity --weight 10 --option norm=l1
distill ghostnet-similarity mobilenetv2_100 ghostnet-float32 similarity --weight 10 --option norm=l1

# Taught by a network of the same kind.
distill_half mobilenetv2-itself mobilenetv2_100 mobilenetv2 attention --weight 100
distill_half resnet50-itself resnet50 resnet50 attention --weight 100
distill_half ghostnet-itself ghostnet_100 ghostnet attention --weight 1000

# A teacher that is much stronger.
distill_half efficientnetv2_s-soft_target mobilenetv2_100 efficientnetv2_s soft_target --ratio 0.7
strong=(mobilenetv2_100 efficientnetv2_s mgd --ratio 0.7)
distill_half efficientnetv2_s-mgd "${strong[@]}"
distill_half efficientnetv2_s-mgd-ema "${strong[@]}" --set training.polyak=0.9999
# Where these two were run first, R-Drop had no effect beside a teacher; here it has.
distill_half efficientnetv2_s-mgd-rdrop "${strong[@]}" --set training.r_drop=0.3
distill_half efficientnetv2_s-mgd-ema-rdrop "${strong[@]}" \
    --set training.polyak=0.9999 --set training.r_drop=0.3

for run in "$runs"/*/; do
    echo "== $run"
    "$nas" evaluate "$run" --split validation --device "$device"
    "$nas" evaluate "$run" --split test --tta --device "$device"
done
