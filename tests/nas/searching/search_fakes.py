"""A tiny space and an evaluator that trains nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.samplers import BaseSampler, RandomSampler

from nas.searching.assembly import Parts
from nas.searching.config import SearchConfig, image_config
from nas.searching.continuing import StudyData
from nas.searching.run_folder import RunFolder
from nas.tracking import Tracker
from rewards import Penalty, Reward
from search_spaces.decision import Decision
from search_spaces.genotype import Genotype, freeze
from search_spaces.graph import Graph
from search_spaces.space import SearchSpace


class PairSpace(SearchSpace):
    """Two numbers whose order does not matter, and an operation."""

    name = "pair"
    kind = "segmentation"

    def __init__(self, size: int = 50) -> None:
        numbers = tuple(range(size))
        self.decisions = (
            Decision("left", numbers),
            Decision("right", numbers),
            Decision("operation", ("add", "multiply")),
        )

    @property
    def options(self) -> dict[str, Any]:
        return {"size": len(self.decisions[0].options)}

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        return Genotype(self.name, tuple(choices[d.name] for d in self.decisions))

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        return dict(zip((d.name for d in self.decisions), genotype.value, strict=True))

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        return Genotype(self.name, freeze(json.loads(value) if isinstance(value, str) else value))

    def canonical_key(self, genotype: Genotype) -> str:
        left, right, operation = genotype.value
        return f"{min(left, right)},{max(left, right)},{operation}"

    def graph(self, genotype: Genotype) -> Graph:
        raise NotImplementedError


@dataclass
class FakeEvaluation:
    score: float
    cost: float

    def to_record(self) -> dict[str, Any]:
        return {
            "scores": {"f1": {"eye": self.score}},
            "macro": {"f1": self.score},
            "groups": {"eyes": self.score},
            "costs": {"flops": self.cost, "params": 10.0},
            "curves": {"stage0": [2.0, 1.0]},
            "seconds": {"stage0": 0.1},
            "details": {"fake": True},
            "rung": "final",
            "stopped": False,
        }


@dataclass
class FakeEvaluator:
    """Scores a genotype by its numbers; `hook` may sleep or raise first."""

    hook: Callable[[Genotype], None] = lambda genotype: None
    seen: list[str] = field(default_factory=list)

    def evaluate(self, genotype: Genotype, seed: int, decide: Any = None) -> FakeEvaluation:
        self.seen.append(str(genotype))
        self.hook(genotype)
        left, right, _ = genotype.value
        return FakeEvaluation((left + right) / 100 + seed, 1.0 + left * right)


def known_costs(genotype: Genotype) -> dict[str, float]:
    """The costs of `FakeEvaluator`."""
    left, right, _ = genotype.value
    return {"flops": 1.0 + left * right, "params": 10.0}


# A variable of the environment, as worker processes inherit it.
BEHAVIOUR = "NAS_TEST_BEHAVIOUR"
REWARD = Reward(classes=("eye",), penalties=(Penalty("flops", 10.0, -0.5),))


@dataclass
class FakeAssembly:
    """What its evaluator does is told by `BEHAVIOUR`: seconds, trained, exits, error, defect.

    `exits` has pairs of the number of a training and the exit code of the process there.
    """

    evaluator: FakeEvaluator | None = None
    sampler: BaseSampler | None = None
    task: str = "as it was"

    def space(self, config: SearchConfig) -> SearchSpace:
        # Tests that begin with the default configuration have the options of another space.
        return PairSpace(config.space.options.get("size", 50))

    def reward(self, config: SearchConfig) -> Reward:
        return REWARD

    def data(self, config: SearchConfig) -> StudyData:
        return StudyData({"task": self.task})

    def check(self, config: SearchConfig) -> None:
        pass

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        return config

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        return Parts(
            space=self.space(config),
            reward=REWARD,
            promotion=config.promotion,
            known_costs=known_costs,
            controller=self.sampler or RandomSampler(),
            evaluator=self.evaluator
            or FakeEvaluator(_hook(json.loads(os.environ.get(BEHAVIOUR, "{}")))),
        )


def _behaviour() -> dict[str, Any]:
    behaviour: dict[str, Any] = json.loads(os.environ.get(BEHAVIOUR, "{}"))
    return behaviour


def _hook(settings: Mapping[str, Any]) -> Callable[[Genotype], None]:
    def hook(genotype: Genotype) -> None:
        time.sleep(settings.get("seconds", 0.0))
        if "trained" in settings:
            with Path(settings["trained"]).open("a") as file:
                file.write(f"{genotype}\n")
                file.flush()
                own_end = file.tell()
            ends = dict(settings.get("exits", []))
            # Another worker may have written behind it already.
            number = Path(settings["trained"]).read_bytes()[:own_end].count(b"\n")
            if number in ends:
                os._exit(ends[number])
        if "error" in settings:
            raise RuntimeError(settings["error"])
        if "defect" in settings:
            raise TypeError(settings["defect"])

    return hook


assembly = FakeAssembly()


def config(**changes: Any) -> SearchConfig:
    values = {
        "space": {"name": "pair"},
        "reward": {"penalties": [{"cost": "flops", "base": 10.0}]},
        "trials": 4,
        "device": "cpu",
    }
    return image_config("segmentation").model_validate(values | changes)


class Notes(Tracker):
    """Keeps the points that it is told."""

    points: list[tuple[int, dict[str, float]]] = []
    known: list[str | None] = []
    fails = False

    def __init__(self, tracked: Any) -> None:
        self.known.append(tracked.known_as)
        assert "storage" not in tracked.settings

    @property
    def identity(self) -> str:
        return "one"

    def point(self, step: int, figures: Any) -> None:
        if self.fails:
            raise ConnectionError("gone")
        self.points.append((step, dict(figures)))

    def finish(self, figures: Any) -> None:
        pass
