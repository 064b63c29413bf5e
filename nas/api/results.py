"""What searches and trainings leave, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import given, length, penalty_settings
from nas.api.execution import run_search
from nas.api.progress import displays
from nas.nested import flattened
from nas.results import Records

if TYPE_CHECKING:
    from torch import nn

    from nas.api.exports import ExportedNetwork
    from nas.experiments.evaluation import RunEvaluation
    from nas.experiments.run import Summary
    from nas.report.agreement import Trust
    from nas.report.status import Status
    from nas.searching.config import SearchConfig
    from nas.searching.run_folder import RunFolder


@dataclass(frozen=True)
class Run:
    """The run of a search and what can be done with it.

    Attributes:
        path: Its folder.
    """

    path: Path

    @property
    def config(self) -> SearchConfig:
        """The resolved configuration."""
        return self.folder.config()

    @property
    def folder(self) -> RunFolder:
        """The files of the run."""
        from nas.searching.run_folder import RunFolder

        return RunFolder.open(self.path)

    def status(self) -> Status:
        """How the search is doing: trials by state, failures, its best so far."""
        from nas.report.runs import read_snapshot
        from nas.report.status import status

        return status(read_snapshot(self.folder))

    def trials(self) -> Records:
        """Every trial: its number, state, genotype, quality, costs, seconds, and why it failed."""
        from nas.report.runs import read_snapshot

        return Records(
            {
                "trial": record.number,
                "state": record.state,
                "quality": record.quality,
                **record.costs,
                "genotype": record.genotype,
                "seconds": record.seconds.get("total"),
                **({"failure": record.failure} if record.failure else {}),
            }
            for record in read_snapshot(self.folder).records
        )

    def front(
        self, cost: str | None = None, *, penalties: Mapping[str, float] | None = None
    ) -> Records:
        """The candidates that no other beats in both quality and cost, the cheapest first.

        Args:
            cost: params, macs, flops, latency …; the first penalised one, or flops, unless given.
            penalties: Exponents by cost, to read the reward with other penalties than the search's.

        Raises:
            UserError: If no candidate is trained yet, or the cost was not recorded.
        """
        from nas.pareto.candidates import front_of
        from nas.report.runs import Reading, read_searches, read_snapshot

        snapshot = read_snapshot(self.folder)
        changes = {} if penalties is None else {"penalties": penalty_settings(penalties)}
        reading = Reading(cost or snapshot.default_cost, changes)
        (found,) = read_searches([snapshot], reading)
        genotypes = {record.number: record.genotype for record in snapshot.records}
        front = front_of(found.series.candidates, reading.objectives)
        return Records(
            {"trial": one.trial, **one.values, "genotype": genotypes[one.trial]}
            for one in sorted(front, key=lambda one: one.values[reading.cost])
        )

    def plot(
        self,
        cost: str | None = None,
        folder: str | Path | None = None,
        formats: Sequence[str] = ("png",),
    ) -> list[Path]:
        """Draws the candidates, the front and the course of the search.

        Returns:
            The files, in ``plots/`` of the run unless told otherwise; the front's comes first.
        """
        from nas.report.plots import plots_of, save_plots
        from nas.report.runs import Reading, read_searches, read_snapshot

        snapshot = read_snapshot(self.folder)
        reading = Reading(cost or snapshot.default_cost)
        target = Path(folder) if folder else plots_of(self.path)
        return save_plots(read_searches([snapshot], reading), reading, target, tuple(formats))

    def report(
        self,
        path: str | Path | None = None,
        *,
        beside: Sequence[Run] = (),
        cost: str | None = None,
        networks: bool = True,
        data: str | Path | None = None,
    ) -> Path:
        """Writes one HTML page about the search, which opens without a network; see ``nas report``.

        Args:
            path: The file; ``report.html`` in the run unless given.
            beside: Other runs to compare with.
            cost: Cost that the page opens with; the first penalised one, or flops, unless given.
            networks: Whether retrained networks are run, for their predictions and layers.
            data: Folder of the images, if they have moved.

        Returns:
            The file.

        Raises:
            UserError: If a run cannot be read or is given twice, or the file cannot be written.
        """
        from nas.api.reports import write_report

        paths = [self.path, *(run.path for run in beside)]
        target, images = (None if place is None else Path(place) for place in (path, data))
        return write_report(paths, target, cost=cost, networks=networks, data=images)

    def resume(
        self,
        trials: int | None = None,
        *,
        finalists: int | None = None,
        progress: bool = True,
        **options: Any,
    ) -> Run:
        """Continues the search, up to a higher number of trials if one is given.

        Args:
            trials: Total number of candidates to finish.
            finalists: Best candidates of the front to train in full at the end.
            progress: Whether to print progress.
            options: ``workers``, ``device``, or ``data``, the folder of images that have moved.
        """
        values = given({"trials": trials, "finalists.count": finalists, **options})
        run_search(values, run=self.path, resume=True, progress=progress)
        return self

    def retrain(
        self,
        which: str | int = "best",
        *,
        epochs: int | None = None,
        time: str | float | None = None,
        teacher: bool | None = None,
        out: str | Path | None = None,
        seed: int = 0,
        data: str | Path | None = None,
        device: str = "auto",
        int8: bool = False,
        config: Mapping[str, Any] | None = None,
        progress: bool = True,
    ) -> Retrained:
        """Trains a candidate in full, exports it, measures it and reports its test scores.

        Args:
            which: ``best``, the number of a trial, or a genotype.
            epochs: Passes over the training split.
            time: What the training may take, for example ``2h``, in place of `epochs`.
            teacher: Whether it learns from the search's teacher; as the search unless given.
            out: Folder of the network; in ``retrain/`` of the run unless given.
            seed: Of weights, order and augmentation.
            data: Folder of the images, if they have moved.
            device: auto, cpu or cuda:N.
            int8: Whether an int8 version is made and compared.
            config: Any further setting of the training by dotted key, or of the task under
                ``task_options``, such as a larger ``input_size``.
            progress: Whether to print progress.

        Raises:
            UserError: If there is no such candidate, or it is retrained with other settings.
        """
        from nas.deployment.int8 import Int8Options
        from nas.deployment.onnx_export import ExportOptions
        from nas.deployment.selection import Selection, select
        from nas.retraining.options import RetrainOptions, image_search, parted, training_of
        from nas.retraining.retrain import retrain as retrain_one

        settings = image_search(self.folder, data)
        selection = (
            Selection(trials=(which,))
            if isinstance(which, int)
            else Selection(best=True)
            if which == "best"
            else Selection(genotype=which)
        )
        (choice,) = select(self.folder, selection)
        changes, task_options = parted(flattened(config or {}))
        changes |= length(epochs, time, section="")
        options = RetrainOptions(
            training=training_of(settings, changes),
            distill=settings.has_teacher if teacher is None else teacher,
            device=device,
            seed=seed,
            export=ExportOptions(int8=Int8Options() if int8 else None),
            out=Path(out) if out is not None else None,
            task_options=task_options,
        )
        with displays(progress) as (shown, _):
            metrics = retrain_one(
                self.folder,
                settings,
                choice,
                options,
                lambda stage, record, total: shown[0](choice.name, record, total),
                shown[0],
                shown[1],
            )
        return Retrained(options.folder(self.folder, choice), metrics)

    def trust(
        self,
        candidates: int = 12,
        *,
        seeds: int = 2,
        epochs: int | None = None,
        teacher: bool | None = None,
        data: str | Path | None = None,
        device: str = "auto",
        config: Mapping[str, Any] | None = None,
        progress: bool = True,
    ) -> Trust:
        """Trains candidates in full, to tell how far the search's scores can be trusted.

        The outcome is kept in the run, where `status` shows it. Repeating an interrupted call
        continues it, and `retrain` takes over what was trained with its settings.

        Args:
            candidates: How many, spread over all qualities.
            seeds: Trainings of each.
            epochs: Of a training; those of `retrain` unless given.
            teacher: Whether they learn from the search's teacher; as the search unless given.
            data: Folder of the images, if they have moved.
            device: auto, cpu or cuda:N.
            config: Any further setting of the training.
            progress: Whether to print progress.

        Raises:
            UserError: If fewer than four candidates are finished, or a setting is wrong.
        """
        from nas.retraining.options import image_search, training_of
        from nas.retraining.trust import TrustOptions
        from nas.retraining.trust import trust as judged
        from nas.searching.full_training import FullTraining

        settings = image_search(self.folder, data)
        how = FullTraining(
            training=training_of(
                settings, flattened(config or {}) | length(epochs, None, section="")
            ),
            distill=settings.has_teacher if teacher is None else teacher,
            device=device,
        )
        options = TrustOptions(how, candidates, seeds)
        with displays(progress) as ((show, say), _):
            return judged(self.folder, settings, options, show, show, say)


@dataclass(frozen=True)
class Retrained:
    """A retrained network.

    Attributes:
        path: Its folder: weights, ``model.onnx``, ``metrics.json``, ``log.csv``.
        metrics: Scores on the validation and test split, costs, latency.
    """

    path: Path
    metrics: Mapping[str, Any]

    @property
    def onnx(self) -> Path:
        """The exported file."""
        return self.path / "model.onnx"

    def load(self) -> nn.Module:
        """The module, in evaluation mode."""
        from nas.kinds.network_file import load

        return load(self.path)

    def export(self, to: str | Sequence[str] = "onnx", **options: Any) -> ExportedNetwork:
        """Exports the network to ONNX or other formats; see `nas.export`."""
        from nas.api.exports import export

        return export(self, to, **options)

    def __repr__(self) -> str:
        test = self.metrics["test"]["quality"]
        params = self.metrics["costs"]["params"]
        return f"Retrained({str(self.path)!r}, test quality {test:.4f}, {params:,} parameters)"


@dataclass(frozen=True)
class TrainedRun:
    """Networks that `train` or `distill` made, one for each seed.

    Attributes:
        path: The folder.
        summary: What the trainings came to on the validation split.
    """

    path: Path
    summary: Summary

    def records(self) -> Records:
        """The figures of every seed."""
        figures = self.summary.validation
        return Records(
            {"seed": seed, **{key: values[number] for key, values in figures.items()}}
            for number, seed in enumerate(self.summary.seeds)
        )

    def evaluate(self, split: str = "validation", **options: Any) -> RunEvaluation:
        """Scores every network on a split; see `nas.evaluate`."""
        from nas.api.trainings import evaluate

        return evaluate(self, split, **options)

    def load(self) -> nn.Module:
        """The network that is best on the validation split, in evaluation mode."""
        from nas.kinds.network_file import load
        from nas.kinds.teacher import network_path

        return load(network_path(self.path))

    def export(self, to: str | Sequence[str] = "onnx", **options: Any) -> ExportedNetwork:
        """Exports the network that is best on the validation split; see `nas.export`."""
        from nas.api.exports import export

        return export(self, to, **options)
