"""Trains a candidate fully, exports it, measures it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

import latency
from latency.measuring.latency import Latency
from nas.deployment.file_latency import device_latency
from nas.deployment.int8 import int8_version
from nas.deployment.onnx_export import ExportOptions, try_export, write_onnx
from nas.deployment.scores import scores_of
from nas.deployment.selection import Choice
from nas.errors import UserError
from nas.files import write_json, write_text
from nas.kinds.ahead import Announce
from nas.kinds.kind import Prepared
from nas.kinds.network_file import FILE, NetworkDescription, save_network
from nas.models.network_settings import NetworkSettings
from nas.retraining.options import RetrainOptions
from nas.searching.assembly import make_space
from nas.searching.config import ImageSearchConfig, SearchConfig
from nas.searching.continuing import check_data
from nas.searching.images import cache_of, data_of, load_task, reward_on
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study
from nas.tasks import Task
from nas.training.device import resolve_device
from nas.training.loop import naming_diverged
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive, seeded
from nas.training.stage_settings import StageSettings
from nas.training.stages import StageResult, StageTeacher, Subject, train_stages, try_stages
from nas.training.trainer import EpochRecord
from rewards import Reward
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

WHOLE = "retrain"
METRICS = "metrics.json"
ONNX = "model.onnx"


def retrain(
    run: RunFolder,
    config: SearchConfig,
    choice: Choice,
    options: RetrainOptions,
    on_epoch: Callable[[str, EpochRecord, int], None] = lambda stage, record, epochs: None,
    announce: Announce = lambda what, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Retrains one candidate into ``retrain/NAME`` of its run.

    It learns from the train split, the best epoch is chosen on the validation split, and the
    test split is read once, at the end. An interrupted training resumes from its last epoch.

    Args:
        run: The run folder.
        config: Its configuration.
        choice: The candidate.
        options: How it is retrained.
        on_epoch: Told (name of the stage, the epoch, its number of epochs).
        announce: Told (what, epoch, epochs) where encoder or teacher must be trained again.
        say: Told what is measured before a stage.

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
    work = _Work.begin(run, config, options, announce)
    network = work.build(choice.genotype)
    subject = work.subject(network)
    # Refused before anything is spent on what comes before the stages.
    try_stages(subject, work.stages, work.teacher)
    try_export(network, work.task.input_shape, options.export)
    with naming_diverged(str(folder), "learning_rate", options.training):
        work.warm_up(network)
        results = train_stages(
            subject,
            work.stages,
            seed=options.seed,
            folder=folder,
            teacher=work.teacher,
            on_epoch=on_epoch,
            say=say,
        )
    network = work.save(network, choice.genotype, folder / FILE)
    write_text(folder / "genotype.json", choice.genotype.to_json() + "\n")
    write_text(folder / "log.csv", _log(results))
    metrics = {
        "identity": identity,
        "genotype": str(choice.genotype),
        "distillation": options.distill,
        "search_quality": choice.search_quality,
        "epochs": sum(len(result.fit.history) for result in results),
        "best_epoch": best_epoch(results),
        "loss_weights": {result.name: result.losses for result in results},
        **work.scores(network),
        **_costs(network, work, folder, options),
    }
    write_json(folder / METRICS, metrics)
    for result in results:
        (folder / f"{result.name}.pt").unlink(missing_ok=True)
    return metrics


def best_epoch(results: list[StageResult]) -> int:
    """The epoch that the network comes from, counted through all stages from 0."""
    *earlier, last = results
    return sum(len(result.fit.history) for result in earlier) + last.fit.best.epoch


@dataclass(frozen=True)
class _Work:
    """A candidate on its way from random weights to a file.

    Attributes:
        config: Of the search.
        options: How it is retrained.
        evaluation: How the search evaluated, without a teacher if there is to be none.
        task: Its data.
        space: Its search space.
        prepared: What candidates of the search share.
    """

    config: ImageSearchConfig
    options: RetrainOptions
    evaluation: Any
    task: Task
    space: SearchSpace
    prepared: Prepared

    @classmethod
    def begin(
        cls, run: RunFolder, config: SearchConfig, options: RetrainOptions, announce: Announce
    ) -> _Work:
        """Loads what is needed; what the search shared is made again where it is gone.

        Raises:
            UserError: If nothing was trained, there is no teacher to learn from, or nothing to
                learn from it, or the device is absent.
        """
        if not isinstance(config, ImageSearchConfig):
            raise UserError(f"{run.path}: it searched a table, which has no images to train on.")
        _check_teacher(config, options)
        task, space, device = load_task(config), make_space(config), resolve_device(options.device)
        check_data(read_study(run), data_of(task, config), run.path)
        evaluation = config.evaluation
        if not options.distill:
            distillation = evaluation.distillation.model_copy(update={"enabled": False})
            evaluation = evaluation.model_copy(update={"distillation": distillation})
        cache = cache_of(run, config)
        prepared = config.kind.prepare(
            task, evaluation, space, cache, device, config.seed, announce
        )
        return cls(config, options, evaluation, task, space, prepared)

    def build(self, genotype: Genotype) -> nn.Module:
        """The network before any training."""
        found = self._found(genotype)
        with seeded(self.options.seed, "retrain"):
            return self.config.kind.untrained(found, self.task, self.prepared)

    def subject(self, network: nn.Module) -> Subject:
        """What is trained in stages."""
        return Subject(
            recipe=self.config.kind,
            network=network,
            task=self.task,
            common=self.options.training,
            device=self.prepared.device,
            quality=self._quality,
        )

    def warm_up(self, network: nn.Module) -> None:
        """What comes before the stages."""
        kind, seed = self.config.kind, self.options.seed
        kind.warm_up(network, self.prepared, self.evaluation, seed)

    def save(self, network: nn.Module, genotype: Genotype, path: Path) -> nn.Module:
        """Writes the network as it is deployed, and returns it."""
        deployed = self.config.kind.deployed(network)
        found = self.config.kind.as_trained(self._found(genotype), self.task)
        save_network(deployed, NetworkDescription.of(found, self.task), path)
        return deployed

    def scores(self, network: nn.Module) -> dict[str, dict[str, Any]]:
        """Scores on the validation and the test split of a network or of what stands for it."""
        return scores_of(network.eval(), self.task, self.prepared.device, self._reward)

    @property
    def teacher(self) -> StageTeacher | None:
        """The network that it learns from, or None."""
        found = self.prepared.teacher
        return None if found is None else StageTeacher(found.network, found.identity)

    @property
    def stages(self) -> tuple[StageSettings, ...]:
        """The stages of the training."""
        if self.options.stages:
            return self.options.stages
        losses = self.options.losses
        if self.options.distill and not losses:
            losses = self.config.retraining_losses
        return (StageSettings(name=WHOLE, losses=losses),)

    def _quality(self, card: ScoreCard) -> float:
        reward = self._reward
        return reward.quality(card.scored_by(reward.metric, self.task.classes).scores)

    @property
    def _reward(self) -> Reward:
        return reward_on(self.task, self.config)

    def _found(self, genotype: Genotype) -> NetworkSettings:
        found: NetworkSettings = self.config.kind.found(self.space, genotype, self.evaluation)
        return found


def _check_teacher(config: ImageSearchConfig, options: RetrainOptions) -> None:
    if options.distill and not config.has_teacher:
        raise UserError(
            "the search had no teacher, so there is none to retrain with; "
            "leave out --distillation and its losses."
        )
    if options.distill and not (options.losses or options.stages or config.retraining_losses):
        raise UserError(
            "the search's configuration has no retraining_losses to learn from its teacher "
            "with; give --distill.method, or use --no-distillation."
        )


def _costs(
    network: nn.Module, work: _Work, folder: Path, options: RetrainOptions
) -> dict[str, Any]:
    network.cpu().eval()
    shape, path = work.task.input_shape, folder / ONNX
    counts = latency.count(network, shape)
    onnx = write_onnx(network, shape, path, options.export)
    measured, notes = device_latency(path, shape, str(resolve_device(options.device)))
    return {
        "costs": {
            "params": counts.parameters,
            "macs": counts.macs,
            "flops": counts.flops,
            "latency": measured.median_ms,
        },
        "latency": measured.to_dict(),
        "notes": notes,
        "onnx": onnx,
        **_int8(path, work, measured, options.export),
    }


def _int8(path: Path, work: _Work, measured: Latency, options: ExportOptions) -> dict[str, Any]:
    if options.int8 is None:
        return {}
    known = measured if measured.device.kind == "cpu" else None
    try:
        return {"int8": int8_version(path, work.task, options.int8, work.scores, known)}
    except latency.ExportError as error:
        # No reason to lose the training and all other figures.
        return {"int8": {"failed": str(error)}}


def _identity(choice: Choice, options: RetrainOptions) -> str:
    settings = {
        "training": options.training.model_dump(mode="json"),
        "distill": options.distill,
        "losses": [loss.model_dump(mode="json") for loss in options.losses],
        "stages": [stage.model_dump(mode="json") for stage in options.stages],
        "device": options.device,
        "seed": options.seed,
        "opset": options.export.opset,
    }
    # Folders that are older than these options keep their identity.
    if options.export.dynamic_batch:
        settings["dynamic_batch"] = True
    if options.export.int8 is not None:
        settings["int8"] = asdict(options.export.int8)
    return f"{derive(choice.genotype.to_json(), json.dumps(settings, sort_keys=True)):016x}"


def _finished(folder: Path, identity: str) -> dict[str, Any] | None:
    path = folder / METRICS
    if not (path.exists() and (folder / FILE).exists()):
        return None
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if metrics.get("identity") != identity:
        raise UserError(
            f"{folder}: it holds a retrained network of other settings; remove the folder or "
            "give the same settings (nas export writes other files of it)."
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
