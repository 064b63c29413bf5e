"""Scores trained networks of any origin on a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.deployment.trained_network import NamedTask, task_of_training
from nas.errors import UserError
from nas.experiments.config import CONFIG
from nas.experiments.evaluation import OtherData, RunEvaluation, evaluate_run, score_networks
from nas.files import finite_only, write_json
from nas.kinds.network_file import FILE
from nas.training.views import ViewsName


def evaluate(
    place: Path,
    split: str,
    views: tuple[ViewsName | None, ...] = ("none",),
    device: str = "auto",
    data: str | None = None,
    missing: Sequence[Sequence[str]] = (),
    *,
    other: OtherData | None = None,
    best_by: Sequence[str] = (),
    intervals: bool = False,
) -> RunEvaluation:
    """Scores the networks of a training run, or one network of it or of a retraining.

    Args:
        place: The run folder, or the folder of a network.
        split: train, validation or test.
        views: Without and with which test-time augmentation; None is the most thorough one.
        device: auto, cpu or cuda:N.
        data: Folder of the images, if they have moved.
        missing: Inputs that are taken away from every face, for a row of its own each.
        other: Data to score on in place of those of the training.
        best_by: Monitors of the training, for a row each of the weights that were best by it.
        intervals: Whether to find intervals by the bootstrap.

    Raises:
        UserError: If there is no such network or split, no file tells what it was trained on, or
            something is asked of a retrained network that belongs to a training run.
    """
    if not (place / FILE).is_file() or (place.resolve().parent / CONFIG).is_file():
        return evaluate_run(
            place,
            split,
            views,
            device,
            data,
            missing,
            other=other,
            best_by=best_by,
            intervals=intervals,
        )
    if other is not None or best_by:
        raise UserError(
            f"{place}: other data and other checkpoints are for networks of nas train and nas "
            "distill; leave them out."
        )
    task = task_of_training(place / FILE, NamedTask(data=Path(data) if data else None))
    found = score_networks({0: place}, task, split, views, device, missing, intervals=intervals)
    write_json(place / f"evaluation-{split}.json", finite_only(found.to_record()))
    return found
