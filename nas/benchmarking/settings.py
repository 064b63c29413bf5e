"""What a benchmark is told."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from nas.searching.config import TableRewardSettings
from nas.searching.sections import ControllerSettings, SpaceSettings
from nas.settings import Settings


class BenchmarkSettings(Settings):
    """Which searches are compared.

    Attributes:
        table: The file; see `nas.evaluation.table`.
        space: What its architectures are of.
        datasets: Those of its data sets that are searched on; none means all.
        controllers: Who is compared.
        rewards: What earns reward. With several, a controller shares its evaluations among as
            many searches, one for each: this is how a controller that knows one penalty at a time
            looks for a whole front.
        trials: Evaluations of every repetition.
        seeds: Repetitions.
        seed: Of the first repetition; they count up from there.
        at: Numbers of evaluations after which the hypervolume is told.
        workers: Processes that share the repetitions.
        search_workers: Workers of every search, which are simulated: its results come late and out
            of order, see `nas.benchmarking.in_flight`.
    """

    table: str
    space: SpaceSettings = SpaceSettings(name="nasbench201")
    datasets: tuple[str, ...] = ()
    controllers: tuple[ControllerSettings, ...] = (ControllerSettings(),)
    rewards: tuple[TableRewardSettings, ...] = Field(default=(TableRewardSettings(),), min_length=1)
    trials: int = Field(default=100, ge=1)
    seeds: int = Field(default=200, ge=1)
    seed: int = Field(default=0, ge=0)
    at: tuple[int, ...] = ()
    workers: int = Field(default=1, ge=1)
    search_workers: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _is_possible(self) -> BenchmarkSettings:
        _check_distinct([controller.name for controller in self.controllers], "controller")
        _check_distinct(self.datasets, "data set")
        if len(self.rewards) > self.trials:
            raise ValueError(
                f"{self.trials} trials cannot be shared by {len(self.rewards)} searches"
            )
        if self.at and not self.costs:
            raise ValueError("at tells the hypervolume of a front, which needs a penalty")
        wrong = [count for count in self.at if not 1 <= count <= self.trials]
        if wrong:
            raise ValueError(f"at must lie between 1 and {self.trials} trials, not {wrong[0]}")
        return self

    @property
    def costs(self) -> tuple[str, ...]:
        """The penalised costs."""
        return tuple(penalty.cost for penalty in self.rewards[0].penalties)

    @property
    def told_at(self) -> tuple[int, ...]:
        """`at` in its order; the end of a search where nothing was asked for."""
        return tuple(sorted(set(self.at))) or (self.trials,)


def _check_distinct(names: Sequence[str], what: str) -> None:
    for name in names:
        if list(names).count(name) > 1:
            raise ValueError(f"{what} {name!r} is given twice")
