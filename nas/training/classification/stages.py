"""The stages of a classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from nas.tasks import ClassificationTask
from nas.training.classification.checks import check
from nas.training.classification.fitting import fit_classifier
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.stages import OnEpoch, Subject
from nas.training.teaching import Teaching
from nas.training.trainer import FitResult


def classifier_subject(
    network: nn.Module,
    task: ClassificationTask,
    settings: ClassifierFitSettings,
    device: torch.device,
) -> Subject[ClassifierFitSettings]:
    """A classifier that is trained in stages, each as by `fit_classifier`.

    Args:
        network: Moved to the device, and trained in place.
        task: The data; its test split is not read.
        settings: Of every stage, unless it has its own.
        device: Where.
    """

    def train(
        settings: ClassifierFitSettings,
        teaching: Teaching,
        seed: int,
        resume: Path,
        on_epoch: OnEpoch,
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

    return Subject(
        network=network.to(device),
        kind="classification",
        input_shape=(1, 3, *task.input_size),
        num_classes=task.num_classes,
        common=settings,
        fit=train,
        check=lambda settings, teaching: check(network, task, settings, teaching),
    )
