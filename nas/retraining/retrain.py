"""Trains a candidate fully, exports it, measures it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import latency
from latency.exporting import OPSETS
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.evaluation.ahead import Announce
from nas.evaluation.preparation import Prepared, prepare
from nas.evaluation.settings import EvaluationSettings
from nas.evaluation.stages import train_decoder
from nas.files import finite_only, write_json, write_text
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.retraining.network_file import FILE, NetworkDescription, save_network
from nas.search.config import SearchConfig
from nas.search.run_folder import RunFolder
from nas.search.segmentation import cache_of, load_task, make_reward, make_space
from nas.tasks import Task
from nas.training.device import resolve_device
from nas.training.fitting import FitSettings, score_network, segmentation_subject
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive, seeded
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageResult, StageTeacher, Subject, train_stages, try_stages
from nas.training.trainer import EpochRecord
from rewards import RewardError
from search_spaces.genotype import Genotype

METRICS = "metrics.json"
ONNX = "model.onnx"
WHOLE = "retrain"


@dataclass(frozen=True)
class Choice:
    """A candidate to be retrained.

    Attributes:
        name: Name of its folder, for example ``trial-7``.
        genotype: What is built.
        search_quality: Its quality in the search, or None for a genotype from elsewhere.
    """

    name: str
    genotype: Genotype
    search_quality: float | None


@dataclass(frozen=True)
class RetrainOptions:
    """How a candidate is retrained.

    Attributes:
        training: The training; see `FitSettings`.
        distill: Whether it learns from the teacher too.
        losses: Losses towards the teacher; the configuration's unless given.
        stages: Several stages in order, in place of `losses`.
        device: Where it is trained and measured.
        opset: Of the ONNX file.
        seed: Of weights, order and augmentation.

    Raises:
        UserError: If the opset is not one that can be written, or options exclude each other.
    """

    training: FitSettings
    distill: bool = True
    losses: tuple[TermSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()
    device: str = "auto"
    opset: int = 18
    seed: int = 0

    def __post_init__(self) -> None:
        # Otherwise it would be refused after hours of training.
        if self.opset not in OPSETS:
            raise UserError(f"opset {self.opset} is not known; use {OPSETS[0]} to {OPSETS[-1]}.")
        if self.losses and self.stages:
            raise UserError("losses and stages are both given; give the losses within the stages.")
        if self.losses and not self.distill:
            raise UserError("there are losses towards a teacher, but distillation is off.")

    def folder(self, run: RunFolder, choice: Choice) -> Path:
        """Where the network goes: with and without distillation are kept apart."""
        suffix = "" if self.distill else "-no-distillation"
        return run.retrain / f"{choice.name}{suffix}"


def retrain(
    run: RunFolder,
    config: SearchConfig,
    choice: Choice,
    options: RetrainOptions,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
    announce: Announce = lambda what, record, epochs: None,
) -> dict[str, Any]:
    """Retrains one candidate into ``retrain/NAME`` of its run.

    Stage 0 of the search comes first, if it is on, and then the whole network end to end.

    It learns from the train split, the best epoch is chosen on the validation split, and the
    test split is read once, at the end. A training that was cut off goes on from its last epoch.

    Args:
        run: The run folder.
        config: Its configuration.
        choice: The candidate.
        options: How it is retrained.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).
        announce: Told (what, epoch, epochs) where encoder or teacher must be trained again.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        UserError: If the folder holds a training with other settings, there is no teacher to learn
            from, or the device is absent.
    """
    folder = options.folder(run, choice)
    identity = _identity(choice, options)
    finished = _finished(folder, identity)
    if finished is not None:
        return finished
    work = _Work(run, config, options, announce)
    description = work.describe(choice.genotype)
    network = work.build(description)
    work.try_stages(network)
    work.train_decoder(network)
    results = work.fit(network, folder, on_epoch)
    without_auxiliary(network.decoder)
    save_network(network, description, folder)
    write_text(folder / "genotype.json", choice.genotype.to_json() + "\n")
    write_text(folder / "log.csv", _log(results))
    metrics = {
        "identity": identity,
        "genotype": str(choice.genotype),
        "distillation": options.distill,
        "search_quality": choice.search_quality,
        "epochs": sum(len(result.fit.history) for result in results),
        "best_epoch": best_epoch(results),
        **work.scores(network),
        **_costs(network, work.task, folder, options),
    }
    write_json(folder / METRICS, metrics)
    for result in results:
        (folder / f"{result.name}.pt").unlink(missing_ok=True)
    return metrics


def best_epoch(results: list[StageResult]) -> int:
    """The epoch that the network comes from, counted through all stages from 0."""
    *earlier, last = results
    return sum(len(result.fit.history) for result in earlier) + last.fit.best.epoch


class _Work:
    """What retraining needs from the run."""

    def __init__(
        self, run: RunFolder, config: SearchConfig, options: RetrainOptions, announce: Announce
    ):
        if options.distill and not config.evaluation.distillation.enabled:
            raise UserError(
                "the search had no teacher, so there is none to retrain with; "
                "use --no-distillation."
            )
        self.task = load_task(config)
        self._space = make_space(config)
        self._config, self._options, self._announce = config, options, announce
        self._reward = make_reward(config, self.task)
        self._device = resolve_device(options.device)
        self._cache = cache_of(run, config)

    def describe(self, genotype: Genotype) -> NetworkDescription:
        return NetworkDescription(
            space=self._space.name,
            space_options=dict(self._space.options),
            genotype=str(genotype),
            encoder=self._config.evaluation.encoder,
            classes=self.task.classes,
            input_size=self.task.input_size,
            mean=tuple(self.task.mean),
            std=tuple(self.task.std),
        )

    def build(self, description: NetworkDescription) -> SegmentationNetwork:
        with seeded(self._options.seed, "retrain"):
            network = description.build()
        network.encoder.load_state_dict(self._prepared.encoder.state_dict())
        return network

    def train_decoder(self, network: SegmentationNetwork) -> None:
        """Stage 0, as in the search: a random decoder would first spoil the encoder."""
        if not self._evaluation.stage0.enabled:
            return
        network.to(self._device)
        seed = derive(self._options.seed, "retrain")
        train_decoder(network.decoder, self._prepared, self._evaluation, seed)

    @property
    def _evaluation(self) -> EvaluationSettings:
        """How the search evaluated, without a teacher if there is to be none."""
        settings = self._config.evaluation
        if self._options.distill:
            return settings
        distillation = settings.distillation.model_copy(update={"enabled": False})
        return settings.model_copy(update={"distillation": distillation})

    @cached_property
    def _prepared(self) -> Prepared:
        seed = self._config.seed
        return prepare(self.task, self._evaluation, self._cache, self._device, seed, self._announce)

    def fit(
        self,
        network: SegmentationNetwork,
        folder: Path,
        on_epoch: Callable[[str, EpochRecord, int], None],
    ) -> list[StageResult]:
        return train_stages(
            self._subject(network),
            self._stages,
            seed=self._options.seed,
            folder=folder,
            teacher=self._teacher(),
            on_epoch=on_epoch,
        )

    def try_stages(self, network: SegmentationNetwork) -> None:
        """Refuses stages that cannot work, before stage 0 is spent on them."""
        try_stages(self._subject(network), self._stages, self._teacher())

    def _subject(self, network: SegmentationNetwork) -> Subject[FitSettings]:
        training = self._options.training
        return segmentation_subject(network, self.task, training, self._device, self._quality)

    @property
    def _stages(self) -> tuple[StageSettings, ...]:
        if self._options.stages:
            return self._options.stages
        losses = self._options.losses
        if self._options.distill and not losses:
            losses = self._config.retraining_losses
        return (StageSettings(name=WHOLE, losses=losses),)

    def _teacher(self) -> StageTeacher | None:
        if not self._options.distill:
            return None
        teacher = self._prepared.teacher
        assert teacher is not None  # refused by the constructor
        return StageTeacher(teacher, teacher.fingerprint)

    def scores(self, network: SegmentationNetwork) -> dict[str, Any]:
        network.eval()
        return {
            split: self._record(score_network(network, self.task, split, self._device))
            for split in ("validation", "test")
        }

    def _quality(self, card: ScoreCard) -> float:
        return self._reward.quality(card.scores)

    def _record(self, card: ScoreCard) -> dict[str, Any]:
        record: dict[str, Any] = finite_only(
            {
                "quality": self._quality_if_known(card),
                "macro": card.macro,
                "groups": card.groups,
                **card.scores,
            }
        )
        return record

    def _quality_if_known(self, card: ScoreCard) -> float | None:
        try:
            return self._quality(card)
        except RewardError:
            # No mask of the test split holds one of the reward classes, which is no reason to
            # lose the other scores.
            return None


def _costs(
    network: SegmentationNetwork, task: Task, folder: Path, options: RetrainOptions
) -> dict[str, Any]:
    shape = (1, 3, *task.input_size)
    network.cpu().eval()
    counts = latency.count(network, shape)
    path = latency.export_onnx(network, shape, folder / ONNX, opset=options.opset)
    difference = latency.check_onnx(network, path, shape)
    device = str(resolve_device(options.device))
    measured = latency.measure_onnx(path, device=device)
    return {
        "costs": {
            "params": counts.parameters,
            "macs": counts.macs,
            "flops": counts.flops,
            "latency": measured.median_ms,
        },
        "latency": measured.to_dict(),
        "onnx": {"opset": options.opset, "largest_difference": difference},
    }


def _identity(choice: Choice, options: RetrainOptions) -> str:
    settings = asdict(options) | {
        "training": options.training.model_dump(mode="json"),
        "losses": [loss.model_dump(mode="json") for loss in options.losses],
        "stages": [stage.model_dump(mode="json") for stage in options.stages],
    }
    return f"{derive(choice.genotype.to_json(), json.dumps(settings, sort_keys=True)):016x}"


def _finished(folder: Path, identity: str) -> dict[str, Any] | None:
    path = folder / METRICS
    if not (path.exists() and (folder / FILE).exists()):
        return None
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if metrics.get("identity") != identity:
        raise UserError(
            f"{folder}: it holds a retrained network of other settings; remove the folder or "
            "give the same settings."
        )
    return metrics


def _log(results: list[StageResult]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stage", "epoch", "loss", "score", "best"])
    for result in results:
        for record in result.fit.history:
            row = [result.name, record.epoch, record.loss, record.score, int(record.best)]
            writer.writerow(row)
    return text.getvalue()
