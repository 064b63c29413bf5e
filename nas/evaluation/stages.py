"""The two stages in which a candidate is trained (Nekrasov et al., CVPR 2019).

https://arxiv.org/abs/1810.10804
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from nas.distillation.distiller import Distiller
from nas.evaluation.cache import FeatureBatches
from nas.evaluation.preparation import Prepared
from nas.evaluation.settings import EvaluationSettings
from nas.models.segmentation import SegmentationNetwork, decode
from nas.training.fitting import class_weights
from nas.training.images import ImageBatches, Normaliser
from nas.training.loop import Inputs, Loop
from nas.training.objective import SegmentationLoss, SegmentationObjective
from nas.training.precision import loss_scaler
from nas.training.seeding import derive
from nas.training.update import Group, Update, loss_groups


def train_decoder(
    decoder: nn.Module,
    prepared: Prepared,
    settings: EvaluationSettings,
    seed: int,
    at_rung: Callable[[int], bool] = lambda epoch: True,
) -> list[float]:
    """Stage 0: trains the decoder on cached maps and cached teacher logits, without augmentation.

    Args:
        decoder: Trained in place; it ends with the averaged weights.
        prepared: What candidates share; its caches must be there.
        settings: How.
        seed: Of the order of the images.
        at_rung: Told of the epoch, from 1, at every rung, while the decoder has the averaged
            weights; False ends the stage there.

    Returns:
        The mean loss of every epoch.
    """
    stage = settings.stage0
    features = prepared.train
    if features is None:
        raise ValueError("stage 0 needs the cached maps of the train split")
    size = _logits_size(decoder, features.gather(slice(0, 2)))
    masks = features.masks.shape[-2:] if stage.loss_size == "input" else size
    device = features.masks.device
    objective = _objective(prepared, settings)
    if settings.distillation.enabled:
        loss = settings.distillation.create(len(prepared.task.classes)).to(device)
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
        loss_scaler(device, stage.precision),
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
            derive(seed, "stage0"),
        ),
        loss=SegmentationLoss(forward, objective, stage.precision),
        update=update,
    )
    curve: list[float] = []
    for epoch in range(1, stage.epochs + 1):
        curve.append(loop.epoch(epoch - 1))
        if epoch not in stage.rungs:
            continue
        update.swap_average()
        goes_on = at_rung(epoch)
        update.swap_average()
        if not goes_on:
            break
    update.load_average()
    return curve


def train_network(
    decoder: nn.Module, prepared: Prepared, settings: EvaluationSettings, seed: int
) -> tuple[SegmentationNetwork, list[float]]:
    """Stage 1: trains a copy of the encoder and the decoder end to end.

    Args:
        decoder: Trained in place.
        prepared: What candidates share; its encoder stays as it is.
        settings: How.
        seed: Of the order and the augmentation.

    Returns:
        The network, and the mean loss of every epoch.
    """
    stage, task = settings.stage1, prepared.task
    device = next(prepared.encoder.parameters()).device
    # Training the shared encoder itself would spoil every later candidate.
    network = SegmentationNetwork(copy.deepcopy(prepared.encoder), decoder)
    data = task.dataset("train")
    distiller = _distiller(network, prepared, settings)
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
            derive(seed, "stage1"),
        ),
        loss=SegmentationLoss(
            network.forward_with_auxiliary,
            _objective(prepared, settings),
            stage.precision,
            distiller,
        ),
        update=update,
        frozen_statistics=(network.encoder,) if stage.freeze_batch_norm else (),
    )
    curve = [loop.epoch(index) for index in range(stage.epochs)]
    update.load_average()
    return network, curve


def _distiller(
    network: nn.Module, prepared: Prepared, settings: EvaluationSettings
) -> Distiller | None:
    if prepared.teacher is None or not settings.distillation.enabled:
        return None
    task = prepared.task
    return Distiller(
        [settings.distillation.term],
        network,
        prepared.teacher,
        (1, 3, *task.input_size),
        num_classes=len(task.classes),
        kind="segmentation",
    )


def _objective(prepared: Prepared, settings: EvaluationSettings) -> SegmentationObjective:
    """What the masks teach."""
    device = next(prepared.encoder.parameters()).device
    return SegmentationObjective(
        prepared.task.ignore_index,
        settings.auxiliary_weight,
        class_weights=class_weights(settings.class_weights, prepared.task, device),
    )


def _logits_size(decoder: nn.Module, maps: list[torch.Tensor]) -> tuple[int, int]:
    decoder.eval()
    with torch.inference_mode():
        height, width = decoder(maps).shape[-2:]
    return height, width
