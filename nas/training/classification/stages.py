"""The stages of a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from nas.tasks import ClassificationTask
from nas.training.classification.fitting import check, fit_classifier
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.stages import StageResult, StageSettings, StageTeacher, Subject, train_stages
from nas.training.teaching import Teaching
from nas.training.trainer import EpochRecord, FitResult


def run_stages(
    network: nn.Module,
    task: ClassificationTask,
    stages: Sequence[StageSettings],
    common: ClassifierFitSettings,
    *,
    device: torch.device,
    seed: int,
    folder: Path,
    teacher: StageTeacher | None = None,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
) -> list[StageResult]:
    """Trains a classifier stage by stage; it ends with the weights of the last stage.

    Args:
        network: Trained in place.
        task: The data; its test split is not read.
        stages: In order.
        common: Settings of the training, unless a stage has its own.
        device: Where.
        seed: Of everything random but the network's first weights.
        folder: Where the checkpoint of each stage is kept.
        teacher: What the losses of the stages lead to.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).

    Raises:
        UserError: As `train_stages`.
    """

    def fit(
        settings: ClassifierFitSettings,
        teaching: Teaching,
        seed: int,
        resume: Path,
        on_epoch: Callable[[EpochRecord], None],
    ) -> FitResult:
        return fit_classifier(
            network,
            task,
            settings,
            device=device,
            seed=seed,
            teaching=teaching,
            resume=resume,
            on_epoch=on_epoch,
        )

    subject = Subject(
        network=network.to(device),
        kind="classification",
        input_shape=(1, 3, *task.input_size),
        num_classes=task.num_classes,
        common=common,
        fit=fit,
        check=lambda settings, teaching: check(network, settings, teaching),
    )
    return train_stages(
        subject, stages, seed=seed, folder=folder, teacher=teacher, on_epoch=on_epoch
    )
