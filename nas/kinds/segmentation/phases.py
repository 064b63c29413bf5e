"""The two stages in which a decoder is trained (Nekrasov et al., CVPR 2019).

https://arxiv.org/abs/1810.10804
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from nas.distillation.distiller import Distiller
from nas.kinds.segmentation.batches import FeatureBatches
from nas.kinds.segmentation.objective import SegmentationLoss, SegmentationObjective
from nas.kinds.segmentation.preparation import PreparedSegmentation
from nas.kinds.segmentation.scoring import score_masks, score_network
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings
from nas.models.segmentation import SegmentationNetwork, decode
from nas.training.balancing import balance
from nas.training.class_weights import class_weights
from nas.training.images import ImageBatches, Normaliser
from nas.training.loop import Inputs, Loop
from nas.training.phase import Phase
from nas.training.precision import loss_scaler
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive
from nas.training.update import Group, Update, loss_groups

STAGE0, STAGE1 = "stage0", "stage1"


def phases(
    decoder: nn.Module,
    prepared: PreparedSegmentation,
    settings: SegmentationEvaluationSettings,
    seed: int,
) -> Sequence[Callable[[], Phase]]:
    """Stage 0, the decoder alone on cached maps, and stage 1, end to end, as far as they are on."""
    found: list[Callable[[], Phase]] = []
    if settings.stage0.enabled:
        found.append(lambda: decoder_phase(decoder, prepared, settings, seed))
    if settings.stage1.enabled:
        found.append(lambda: network_phase(decoder, prepared, settings, seed))
    return found


def decoder_phase(
    decoder: nn.Module,
    prepared: PreparedSegmentation,
    settings: SegmentationEvaluationSettings,
    seed: int,
) -> Phase:
    """Stage 0: trains the decoder on cached maps and cached teacher logits, without augmentation.

    Args:
        decoder: Trained in place.
        prepared: What candidates share; its caches must be there.
        settings: How.
        seed: Of the order of the images.
    """
    stage = settings.stage0
    features = prepared.train
    if features is None:
        raise ValueError("stage 0 needs the cached maps of the train split")
    size = _logits_size(decoder, features.gather(slice(0, 2)))
    masks = features.masks.shape[-2:] if stage.loss_size == "input" else size
    objective = _objective(prepared, settings)
    if settings.distillation.enabled:
        loss = settings.distillation.create(len(prepared.task.classes)).to(prepared.device)
        objective = replace(
            objective, distillation=loss, distillation_weight=settings.distillation.factor
        )
    update = Update(
        [
            Group(decoder, "adam", stage.learning_rate),
            *loss_groups(objective.distillation, "adam", stage.learning_rate),
        ],
        stage.clip,
        stage.polyak,
        loss_scaler(prepared.device, stage.precision),
    )

    def forward(inputs: Inputs) -> tuple[torch.Tensor, list[torch.Tensor]]:
        return decode(decoder, list(inputs))

    loop = Loop(
        network=decoder,
        batches=FeatureBatches(
            features,
            min(stage.batch_size, len(features)),
            (masks[0], masks[1]),
            size,
            settings.distillation.enabled,
            derive(seed, STAGE0),
        ),
        loss=SegmentationLoss(forward, objective, stage.precision),
        update=update,
    )
    return Phase(
        name=STAGE0,
        loop=loop,
        epochs=stage.epochs,
        score=lambda: _score_decoder(decoder, prepared),
        end=STAGE0,
        rungs=stage.rungs,
        rung_name=(STAGE0 + " epoch {}").format,
    )


def network_phase(
    decoder: nn.Module,
    prepared: PreparedSegmentation,
    settings: SegmentationEvaluationSettings,
    seed: int,
) -> Phase:
    """Stage 1: trains a copy of the encoder and the decoder end to end.

    Args:
        decoder: Trained in place.
        prepared: What candidates share; its encoder stays as it is.
        settings: How.
        seed: Of the order and the augmentation.
    """
    stage, task, device = settings.stage1, prepared.task, prepared.device
    # Training the shared encoder itself would spoil every later candidate.
    network = SegmentationNetwork(copy.deepcopy(prepared.encoder), decoder)
    data = task.dataset("train")
    distiller = _distiller(network, prepared, settings)
    loss = SegmentationLoss(
        network.forward_with_auxiliary,
        _objective(prepared, settings),
        stage.precision,
        distiller,
    )
    update = Update(
        [
            Group(network.encoder, "sgd", stage.encoder_learning_rate),
            Group(decoder, "adam", stage.decoder_learning_rate),
            *loss_groups(distiller, "adam", stage.decoder_learning_rate),
        ],
        stage.clip,
        stage.polyak,
        loss_scaler(device, stage.precision),
    )
    loop = Loop(
        network=network,
        batches=ImageBatches(
            data.images,
            data.targets,
            min(stage.batch_size, len(data)),
            Normaliser(task.mean, task.std),
            task.transform(stage.augmentation),
            device,
            derive(seed, STAGE1),
        ),
        loss=loss,
        update=update,
        frozen_statistics=(network.encoder,) if stage.freeze_batch_norm else (),
    )
    if distiller is not None:
        balance(distiller, network, loss, loop.batches.epoch(0), loop.frozen_statistics)
    return Phase(
        name=STAGE1,
        loop=loop,
        epochs=stage.epochs,
        score=lambda: score_network(network.eval(), task, "validation", device),
        end=STAGE1,
    )


def _score_decoder(decoder: nn.Module, prepared: PreparedSegmentation) -> ScoreCard:
    task, features = prepared.task, prepared.validation
    decoder.eval()
    assert features is not None  # stage 0 has its caches

    def logits() -> Iterator[torch.Tensor]:
        with torch.inference_mode():
            for start in range(0, len(features), 64):
                yield decoder(features.gather(slice(start, start + 64)))

    return score_masks(logits(), features.masks, task.classes, task.ignore_index, task.groups)


def _distiller(
    network: nn.Module, prepared: PreparedSegmentation, settings: SegmentationEvaluationSettings
) -> Distiller | None:
    if prepared.teacher is None or not settings.distillation.enabled:
        return None
    task = prepared.task
    return Distiller(
        [settings.distillation.term],
        network,
        prepared.teacher.network,
        task.input_shape,
        num_classes=len(task.classes),
        kind="segmentation",
    )


def _objective(
    prepared: PreparedSegmentation, settings: SegmentationEvaluationSettings
) -> SegmentationObjective:
    """What the masks teach."""
    task = prepared.task
    return SegmentationObjective(
        task.ignore_index,
        settings.auxiliary_weight,
        class_weights=class_weights(
            settings.class_weights,
            task.dataset("train").targets,
            task.num_classes,
            task.ignore_index,
            prepared.device,
        ),
    )


def _logits_size(decoder: nn.Module, maps: list[torch.Tensor]) -> tuple[int, int]:
    decoder.eval()
    with torch.inference_mode():
        height, width = decoder(maps).shape[-2:]
    return height, width
