"""Full training of a network of any kind: teachers, students, encoders, retrained candidates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.tasks import Task
from nas.training.balancing import balance, told
from nas.training.freezing import frozen
from nas.training.loop import Loop
from nas.training.precision import remark
from nas.training.recipe import QUALITY, AnyRecipe
from nas.training.scoring import Quality
from nas.training.seeding import derive
from nas.training.teaching import Teaching
from nas.training.trainer import EpochRecord, FitResult, Training, run, structure


def fit(
    recipe: AnyRecipe,
    network: nn.Module,
    task: Task,
    settings: Any,
    *,
    device: torch.device,
    seed: int,
    quality: Quality | None = None,
    teaching: Teaching | None = None,
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> FitResult:
    """Trains on the train split and keeps the epoch that is best on the validation split.

    Args:
        recipe: How networks of the task's kind are trained.
        network: Trained in place; gives the logits of normalised images.
        task: The data; its test split is not read.
        settings: Of the kind's training.
        device: Where.
        seed: Of order, augmentation and whatever else is random in an epoch.
        quality: What is best, where the recipe monitors a quality; the recipe's unless given.
        teaching: Teacher and frozen parts, or None to learn from the labels alone.
        resume: A checkpoint, written after every epoch; if it is there, training continues from it.
        on_epoch: Called after every epoch.

    Raises:
        DivergedError: If the loss is no longer finite.
        UserError: If nothing is left to learn, settings exclude each other, or the checkpoint
            belongs to another training.
    """
    teaching = teaching or Teaching()
    network.to(device)
    if teaching.distiller is not None:
        teaching.distiller.to(device)
    recipe.check(network, task, settings, teaching)
    with frozen(teaching.frozen):
        training = training_of(
            recipe, network, task, settings, device, seed, teaching, quality or recipe.quality
        )
        return run(training, resume, on_epoch)


def training_of(
    recipe: AnyRecipe,
    network: nn.Module,
    task: Task,
    settings: Any,
    device: torch.device,
    seed: int,
    teaching: Teaching,
    quality: Quality,
) -> Training[Loop]:
    """A training that has not begun; the arguments are those of `fit`."""
    loss = recipe.loss(network, task, settings, teaching, device)
    monitors = recipe.monitors(settings)
    followed = any(monitor.name == QUALITY for monitor in monitors)

    def scores() -> dict[str, float]:
        card = recipe.score(network, task, "validation", device)
        found = {**loss.means(), **card.figures}
        return {**found, QUALITY: quality(card)} if followed else found

    batches = recipe.batches(task, settings, teaching, device, derive(seed, "batches"))
    frozen_statistics = (
        *teaching.frozen_modules,
        *recipe.frozen_statistics(network, settings),
    )
    distiller = teaching.distiller

    def begin() -> None:
        slow = remark(device, [getattr(settings, "precision", "float32")])
        if slow is not None:
            teaching.say(slow)
        if distiller is None:
            return
        weights = balance(distiller, network, loss, batches.epoch(0), frozen_statistics)
        if weights:
            teaching.say(told(distiller, weights))

    # More epochs change the schedule, so they too make another training.
    parts = (settings.model_dump_json(), task.fingerprint, structure(network))
    described = teaching.describe(network)
    return Training(
        network=network,
        loop=Loop(
            network=network,
            batches=batches,
            loss=loss,
            update=recipe.update(network, settings, teaching, device),
            frozen_statistics=frozen_statistics,
        ),
        schedule=recipe.schedule(settings),
        scores=scores,
        monitors=teaching.monitors(monitors),
        identity=str(derive(*parts, described, seed)),
        # Segmentation networks used to name the seed first.
        former_identity=str(derive(*parts, seed, described)),
        seed=seed,
        companions=teaching.companions,
        begin=begin,
        advance=distiller.advance if distiller is not None else lambda progress: None,
        # Not every kind's settings have these.
        burn_in=getattr(settings, "burn_in", 0),
        patience=getattr(settings, "patience", None),
        seconds=settings.time,
        say=teaching.say,
    )
