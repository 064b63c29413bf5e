"""Scores the trained networks of a run on a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nas.tasks
from nas.errors import UserError
from nas.experiments.config import ExperimentConfig
from nas.experiments.folder import CONFIG
from nas.experiments.run import FIGURES, mean_and_spread
from nas.files import finite_only, write_json
from nas.models.classifier_file import load_classifier, read_classifier_description
from nas.settings import read_yaml, validate
from nas.training.classification.networks import MODEL, require_fitting, seed_folders
from nas.training.classification.scoring import score_classifier
from nas.training.classification.views import ViewsName
from nas.training.device import resolve_device


@dataclass(frozen=True)
class RunEvaluation:
    """Figures of the networks of a run on a split.

    Attributes:
        split: Which.
        seeds: Seed of each network.
        figures: Values by views (none, flip, ten_crop) and figure, one for each seed.
    """

    split: str
    seeds: tuple[int, ...]
    figures: dict[str, dict[str, list[float]]]

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form, with means and sample standard deviations."""
        record: dict[str, Any] = {"split": self.split, "seeds": list(self.seeds)}
        for views, figures in self.figures.items():
            record[views] = {}
            for key, values in figures.items():
                mean, spread = mean_and_spread(values)
                record[views][key] = {"mean": mean, "std": spread, "values": values}
        return record


def evaluate_run(
    run: Path,
    split: str,
    views: tuple[ViewsName, ...] = ("none",),
    device: str = "auto",
    data: str | None = None,
    on_network: Callable[[str], None] = lambda name: None,
) -> RunEvaluation:
    """Scores every network of a run.

    Args:
        run: Folder of ``nas train`` or ``nas distill``.
        split: train, validation or test.
        views: Without and with which test-time augmentation.
        device: auto, cpu or cuda:N.
        data: Folder of the images, if they have moved.
        on_network: Told which network comes next.

    Raises:
        UserError: If the folder holds no such run, or there is no such split.
    """
    path = run / CONFIG
    if not path.is_file():
        raise UserError(
            f"{run}: no {CONFIG} there; give the folder of a run of nas train or nas distill on a "
            "classification task."
        )
    folders = seed_folders(run)
    config = validate(ExperimentConfig, read_yaml(path), str(path))
    task = nas.tasks.load_classification(config.task, data or config.data, **config.task_options)
    task.dataset(split)
    where = resolve_device(device)
    figures: dict[str, dict[str, list[float]]] = {
        name: {key: [] for key in FIGURES} for name in views
    }
    for folder in folders:
        on_network(folder.name)
        require_fitting(read_classifier_description(folder / MODEL), task, folder)
        network = load_classifier(folder / MODEL).to(where).eval()
        for name in views:
            card = score_classifier(network, task, split, where, name)
            for key in FIGURES:
                figures[name][key].append(getattr(card, key))
    seeds = tuple(int(folder.name.removeprefix("seed-")) for folder in folders)
    evaluation = RunEvaluation(split, seeds, figures)
    write_json(run / f"evaluation-{split}.json", finite_only(evaluation.to_record()))
    return evaluation
