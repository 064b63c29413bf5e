"""Networks that learn from each other, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import Config, given, module_name, split_config, task_name, task_of
from nas.api.folders import default_run
from nas.api.progress import displays
from nas.results import Records
from nas.settings import overridden, read_values, validate

if TYPE_CHECKING:
    from torch import nn

    from nas.mutual_learning.trained import MutualSummary
    from nas.tasks import Task


@dataclass(frozen=True)
class MutualRun:
    """Networks that `mutual` made, and all the paths across them.

    Attributes:
        path: The folder, which `open` opens as a search over the paths.
        summary: What the trainings came to on the validation split.
    """

    path: Path
    summary: MutualSummary

    def records(self) -> Records:
        """Every path with its mean accuracy (segmentation: mean IoU) and its costs."""
        figure = self.summary.figure
        return Records(
            {"path": name, figure: sum(values) / len(values), **self.summary.costs[name]}
            for name, values in self.summary.paths.items()
        )

    def evaluate(self, split: str = "test", device: str = "auto") -> MutualSummary:
        """Scores every path on a split."""
        from nas.mutual_learning.trained import evaluate_mutual

        return evaluate_mutual(self.path, split, device)

    def load(self, path: str) -> nn.Module:
        """A path such as ``resnet18/resnet34`` of the seed where it is best, for evaluation."""
        from nas.mutual_learning.trained import best_path

        return best_path(self.path, path).network


def mutual(
    task: str | Path | Task,
    models: Sequence[str | nn.Module],
    method: str = "xml",
    *,
    cut: str | Sequence[str] | None = None,
    order: str | None = None,
    run: str | Path | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    latency: str | None = None,
    device: str | None = None,
    config: Config | None = None,
    progress: bool = True,
) -> MutualRun:
    """Trains networks that learn from each other; every crossing of their parts is a network.

    Args:
        task: As for `search`; of classification or segmentation.
        models: Two networks or more, as for `train`; for segmentation their encoders, which
            share a decoder.
        method: xml (mutual learning of crossed parts), dml (deep mutual learning) or, for
            classification, independent.
        cut: Modules after which each network is cut, one or two; ``layer2`` unless given.
        order: sequential (unless given) or simultaneous updates.
        run: Folder for the networks; ``runs/METHOD-MODELS`` unless given. A training that was cut
            off continues there.
        epochs: Passes over the training split.
        seeds: How many trainings.
        seed: Of the first.
        latency: Device on which every path is measured; None measures none.
        device: auto, cpu or cuda:N.
        config: Any further setting.
        progress: Whether to print progress.

    Raises:
        UserError: If something is wrong with what was given; one sentence says what.

    Examples:
        >>> found = nas.mutual("digits", ["convnet_small", "convnet_small"], cut="stage1",
        ...                    epochs=1, run=folder / "mutual", progress=False,
        ...                    config={"task_options": {"size": 8}})
        >>> len(found.records())
        4
    """
    names = [module_name(model, "model") for model in models]
    options = {
        "task": task_name(task),
        "students": [{"model": {"name": name}} for name in names],
        "method": method,
        "cut": [cut] if isinstance(cut, str) else list(cut) if cut is not None else None,
        "order": order,
        "training.epochs": epochs,
        "seeds": seeds,
        "seed": seed,
        "latency": latency,
        "device": device,
    }
    told = [model if isinstance(model, str) else "network" for model in models]
    folder = Path(run) if run else default_run("-".join([method, *told]))
    return run_mutual(given(options), folder, config=config, progress=progress)


def run_mutual(
    options: Mapping[str, Any],
    folder: Path,
    *,
    config: Config | None = None,
    progress: bool = True,
) -> MutualRun:
    """Trains networks that learn from each other, with settings by dotted key; see `mutual`."""
    from nas.mutual_learning.kinds import mutual_kind
    from nas.mutual_learning.run import run_mutual as run_all

    path, values = split_config(config, options)
    merged = overridden(read_values(path), values)
    task = task_of(merged)
    settings = validate(mutual_kind(task.kind).config, merged, str(path) if path else "settings")
    with displays(progress) as (epochs, _):
        summary = run_all(settings, folder, task=task, on_epoch=epochs[0], say=epochs[1])
    return MutualRun(folder, summary)
