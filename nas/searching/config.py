"""What a search is configured by: one model for a table, and one for each kind of task."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

import nas.tasks
import nas.tracking
import search_spaces
from latency.costs import COSTS
from nas.distillation.terms import TermSettings
from nas.evaluation.latency.settings import LatencySettings
from nas.files import located
from nas.kinds.kind import AnyKind
from nas.kinds.registry import kind_named
from nas.nested import value_at
from nas.searching.sections import (
    CandidateSettings,
    ControllerSettings,
    FinalistSettings,
    PromotionSettings,
    RewardSettings,
    SpaceSettings,
)
from nas.settings import Settings
from nas.training.stage_settings import StageTraining
from open_registry import load_modules

UNPENALISED_COST = "flops"
"""The cost on the other axis of the front where none is penalised or limited."""

TASK_KIND = "task_kind"
"""The key of the kind of the task, where it differs from that of the search space."""
# Executors whose workers take the GPUs of a machine in turn.
_WITHOUT_GPUS = (None, "in_process", "local_processes", "nni")


def _own_cost(cost: Any, imports: list[Any]) -> Any:
    """The name of a cost; one that is not built in adds what has to be imported for it."""
    if not isinstance(cost, str):
        return cost
    try:
        address = COSTS.address(cost)
    except ValueError:
        # The search reports unknown costs later, and a table has costs of its own.
        return cost
    source, colon, _ = address.rpartition(":")
    if not colon:
        return cost
    declared = COSTS.get(cost)
    if declared.name not in COSTS.names():
        COSTS.register(declared)
    if source not in imports:
        imports.append(source)
    return declared.name


def _with_own_cost(penalty: Any, imports: list[Any]) -> Any:
    if not isinstance(penalty, dict) or "cost" not in penalty:
        return penalty
    return {**penalty, "cost": _own_cost(penalty["cost"], imports)}


class SearchConfig(Settings):
    """What every search needs to be repeated.

    Attributes:
        space: What can be built.
        controller: What draws candidates.
        reward: How good they are.
        promotion: When a candidate's training is cut short; null trains every one to its end.
        limits: Largest values of costs, by name, in the unit of the cost (latency: milliseconds,
            memory: bytes). A candidate beyond one of them is not trained and is none of `trials`.
        candidate: What a candidate may take: seconds, memory, epochs without progress.
        trials: Number of finished candidates asked for.
        workers: Number of local worker processes; 1 works in the calling process.
        seed: Of the controller's draws, and with the trial's number of every training.
        storage: URL of a database that several machines reach; null is a file in the run
            folder. Leave a password out of it and in the database client's own file.
        storage_timeout: Seconds for which a database that cannot be reached is waited for before
            the search ends.
        device: "auto", "cpu" or for example "cuda:0"; "auto" spreads workers over the GPUs.
        heartbeat: Seconds between two signs of life of a worker; one that is silent for six
            times as long is given up as lost.
        failures_in_a_row: Consecutive failing candidates that end the search.
        executor: What starts the workers, by its name or import path; null works in this process
            with one worker, and in local processes with several.
        gpus_per_worker: GPUs of each worker, or a fraction of one, for the executor `ray`; null is
            one where the cluster has any and `device` is not the CPU.
        imports: Modules and files that register what the other settings name; they are imported
            first, by workers too. A cost that is given by an import path adds its own.
        beyond_in_a_row: Consecutive candidates beyond the limits that end the search.
        trackers: Where the search and its retrainings are shown, by names or import paths.
    """

    later = ("trackers",)

    space: SpaceSettings = SpaceSettings()
    controller: ControllerSettings = ControllerSettings()
    reward: RewardSettings = RewardSettings()
    promotion: PromotionSettings | None = None
    limits: dict[str, float] = Field(default_factory=dict)
    candidate: CandidateSettings = CandidateSettings()
    trials: int = Field(default=24, ge=1)
    workers: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    storage: str | None = None
    storage_timeout: int = Field(default=1800, ge=1)
    device: str = "auto"
    heartbeat: int = Field(default=10, ge=1)
    failures_in_a_row: int = Field(default=5, ge=1)
    beyond_in_a_row: int = Field(default=200, ge=1)
    executor: str | None = None
    gpus_per_worker: float | None = Field(default=None, ge=0)
    imports: tuple[str, ...] = ()
    trackers: tuple[str, ...] | None = None

    @field_validator("trackers")
    @classmethod
    def _find_trackers(cls, trackers: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return trackers and tuple(nas.tracking.address(name) for name in trackers)

    @field_validator("imports")
    @classmethod
    def _import(cls, imports: tuple[str, ...]) -> tuple[str, ...]:
        # A file is found from any folder by its absolute path alone.
        found = [str(Path(one).resolve()) if one.endswith(".py") else one for one in imports]
        load_modules(found)
        return tuple(dict.fromkeys(found))

    @model_validator(mode="before")
    @classmethod
    def _own_costs(cls, values: Any) -> Any:
        """Records know costs by their names, so an import path is an import and a name."""
        if not isinstance(values, dict):
            return values
        imports = values.get("imports") or ()
        if not isinstance(imports, (list, tuple)):
            # The field says what is wrong with it.
            return values
        imports = list(imports)
        load_modules([one for one in imports if isinstance(one, str)])
        reward, limits = values.get("reward"), values.get("limits")
        penalties = reward.get("penalties") if isinstance(reward, dict) else None
        changed = dict(values)
        if isinstance(penalties, (list, tuple)) and isinstance(reward, dict):
            found = [_with_own_cost(penalty, imports) for penalty in penalties]
            changed["reward"] = {**reward, "penalties": found}
        if isinstance(limits, dict):
            changed["limits"] = {_own_cost(key, imports): value for key, value in limits.items()}
        return changed | ({"imports": imports} if imports else {})

    @field_validator("storage")
    @classmethod
    def _find_storage(cls, storage: str | None) -> str | None:
        """A SQLite file is found from any folder."""
        if storage is None or not storage.startswith("sqlite:///"):
            return storage
        path = storage.removeprefix("sqlite:///")
        usual = path and not path.startswith((":memory:", "file:", "/"))
        return f"sqlite:///{Path(path).absolute()}" if usual else storage

    @field_validator("limits")
    @classmethod
    def _limits_are_positive(cls, limits: dict[str, float]) -> dict[str, float]:
        for cost, limit in limits.items():
            if not (limit > 0 and math.isfinite(limit)):
                raise ValueError(f"the limit of {cost} must be a number above 0, not {limit}")
        return limits

    @model_validator(mode="after")
    def _gpus_are_given(self) -> Self:
        if self.gpus_per_worker is not None and self.executor in _WITHOUT_GPUS:
            raise ValueError("gpus_per_worker needs the executor ray")
        return self

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives of the study: the quality, then every penalised cost."""
        return ("quality", *(penalty.cost for penalty in self.reward.penalties))

    @property
    def front_costs(self) -> tuple[str, ...]:
        """What the front is over beside the quality: penalised costs, or limited ones, or FLOPs."""
        return self.objectives[1:] or tuple(self.limits) or (UNPENALISED_COST,)

    @property
    def has_teacher(self) -> bool:
        """Whether candidates learn from a teacher."""
        return False

    @property
    def grace(self) -> int:
        """Seconds of silence after which a worker is given up as lost."""
        return 6 * self.heartbeat


class ImageSearchConfig(SearchConfig):
    """A search whose candidates are trained on images; `image_config` makes that of a kind.

    Attributes:
        task: Name of a built-in task, a folder with its images, or a YAML file.
        task_options: Options of a built-in task, or values that replace those of a task.yaml, for
            example ``{"input_size": [120, 160]}``.
        data: Folder of the images, where `task` is a YAML file elsewhere.
        latency: Where and how the latency of candidates is predicted or measured.
        cache: Folder of what can be computed again, shared by several runs; null is the run's own.
        finalists: What of the front is trained in full at the end, with the settings of
            `retraining`; ``--best`` is taken from them.
        retraining: Settings of ``nas retrain``.
        retraining_losses: Losses of ``nas retrain`` towards the teacher.
        evaluation: Settings of the evaluator.
        task_kind: Kind of the task, where that borrows the search spaces of another kind.
    """

    task: str
    task_options: dict[str, Any] = {}
    data: str | None = None
    latency: LatencySettings = LatencySettings()
    cache: str | None = None
    finalists: FinalistSettings = FinalistSettings()
    retraining: StageTraining
    retraining_losses: tuple[TermSettings, ...]
    evaluation: Any

    @field_validator("task")
    @classmethod
    def _find_task(cls, task: str) -> str:
        return nas.tasks.address(task)

    @field_validator("data")
    @classmethod
    def _find_data(cls, data: str | None) -> str | None:
        return located(data)

    @field_validator("cache")
    @classmethod
    def _find_cache(cls, cache: str | None) -> str | None:
        # It is made when it is first used.
        return None if cache is None else str(Path(cache).expanduser().absolute())

    @model_validator(mode="before")
    @classmethod
    def _find_teacher(cls, values: Any) -> Any:
        """Weights from outside are found from any folder too."""
        evaluation = values.get("evaluation") if isinstance(values, dict) else None
        if not isinstance(evaluation, dict):
            return values
        found = dict(evaluation)
        for section, key in (("teacher", "run"), ("encoder", "weights")):
            inner = evaluation.get(section)
            if isinstance(inner, dict) and inner.get(key) not in (None, "task", "imagenet", "none"):
                found[section] = {**inner, key: located(inner[key])}
        return {**values, "evaluation": found}

    @model_validator(mode="before")
    @classmethod
    def _one_encoder(cls, values: Any) -> Any:
        """A backbone that is named is the only one that a space chooses among."""
        if not isinstance(values, dict):
            return values
        name = value_at(values, "evaluation.encoder.name")
        space = SpaceSettings.model_validate(values.get("space", cls.model_fields["space"].default))
        try:
            if name is None or not search_spaces.chooses_encoder(space.name):
                return values
        except search_spaces.SpaceError:
            # Whoever creates the space says what is wrong.
            return values
        listed = space.options.get("encoders", [name])
        if list(listed) != [name]:
            raise ValueError(
                f"evaluation.encoder.name is {name!r} and space.options.encoders lists "
                f"{', '.join(map(str, listed))}; leave one of them out"
            )
        options = {**space.options, "encoders": [name]}
        return {**values, "space": {"name": space.name, "options": options}}

    def with_data(self, place: str | Path) -> Self:
        """The same search whose images are in another folder now.

        Raises:
            UserError: If there is no such folder.
        """
        task, data = nas.tasks.moved(self.task, self.data, place)
        return self.model_copy(update={"task": task, "data": data})

    @model_validator(mode="before")
    @classmethod
    def _with_latency_section(cls, values: Any) -> Any:
        """Older runs store a single key, and measured every candidate."""
        if not isinstance(values, dict) or "latency_device" not in values:
            return values
        device = values["latency_device"]
        others = {key: value for key, value in values.items() if key != "latency_device"}
        return {"latency": {"device": device, "source": "measured"}} | others

    @property
    def kind(self) -> AnyKind:
        """The kind of its task, which the search space decides unless the task is of another."""
        return kind_named(getattr(self, TASK_KIND, None) or search_spaces.kind(self.space.name))

    @property
    def has_teacher(self) -> bool:
        """See `SearchConfig.has_teacher`."""
        return bool(self.evaluation.distillation.enabled)


@functools.cache
def image_config(name: str) -> type[ImageSearchConfig]:
    """The configuration of a search for networks of a kind, with its defaults.

    Raises:
        UserError: If there is no such kind.
    """
    kind = kind_named(name)
    more: dict[str, Any] = {}
    if kind.space_kind is not None:
        more[TASK_KIND] = (Literal[name], name)
    if kind.default_metric != RewardSettings.model_fields["metric"].default:
        metric: Any = (RewardSettings.model_fields["metric"].annotation, kind.default_metric)
        reward = create_model(
            f"{name.capitalize()}RewardSettings",
            __base__=RewardSettings,
            __module__=__name__,
            metric=metric,
        )
        more["reward"] = (reward, reward())
    return create_model(
        f"{name.capitalize()}SearchConfig",
        __base__=ImageSearchConfig,
        __module__=__name__,
        **more,
        task=(str, kind.default_task),
        space=(SpaceSettings, SpaceSettings(name=kind.default_space)),
        retraining=(kind.retraining_settings, kind.retraining_settings()),
        retraining_losses=(tuple[TermSettings, ...], kind.distillation_losses),
        evaluation=(kind.evaluation_settings, kind.evaluation_settings()),
    )


class TableRewardSettings(RewardSettings):
    """How the figures of a table become a quality; accuracy is the only metric of one."""

    metric: str = "accuracy"


class TableSearchConfig(SearchConfig):
    """A search that looks its candidates up in a table, where nothing is trained.

    Attributes:
        table: The file; see `nas.evaluation.table`.
        dataset: Which of its data sets counts.
        failures_in_a_row: As above, but a failure is a candidate without a row, which costs no
            time and is common in a table of a part of its space.
    """

    failures_in_a_row: int = Field(default=200, ge=1)
    space: SpaceSettings = SpaceSettings(name="nasbench201")
    reward: TableRewardSettings = TableRewardSettings()
    table: str
    dataset: str = "cifar10"

    @field_validator("candidate")
    @classmethod
    def _nothing_is_trained(cls, candidate: CandidateSettings) -> CandidateSettings:
        if candidate.epochs_without_progress is not None:
            raise ValueError("epochs_without_progress needs training, and a table has none")
        return candidate

    @field_validator("table")
    @classmethod
    def _find_table(cls, table: str) -> str:
        return located(table) or table


class SweepSearchConfig(SearchConfig):
    """A search that trains one network with every combination of the values of some settings.

    Its space has a decision for each of these settings; see `nas.sweeping`.

    Attributes:
        experiment: Settings of the training, which those of the space replace in part.
        seeds: Trainings of each combination.
    """

    experiment: dict[str, Any]
    seeds: int = Field(default=1, ge=1)
