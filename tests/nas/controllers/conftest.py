"""A small search space without networks, and a study with a known best candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from torch import nn

from search_spaces.decision import Decision
from search_spaces.genotype import Genotype
from search_spaces.graph import Graph
from search_spaces.space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)


class FakeSpace(SearchSpace):
    """Decisions only; a genotype is the tuple of the choices."""

    name = "fake"

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.decisions = tuple(decisions)

    @property
    def options(self) -> dict[str, Any]:
        return {}

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        return Genotype(self.name, tuple(choices[d.name] for d in self.decisions))

    def choices(self, genotype: Genotype) -> dict[str, int | str]:
        raise NotImplementedError

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        raise NotImplementedError

    def canonical_key(self, genotype: Genotype) -> str:
        return str(genotype)

    def graph(self, genotype: Genotype) -> Graph:
        return Graph((), ())

    def build(
        self,
        genotype: Genotype,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
    ) -> nn.Module:
        raise NotImplementedError


@pytest.fixture
def tiny_space() -> FakeSpace:
    """Three decisions of two kinds, 12 candidates; the second has the options of the first."""
    return FakeSpace(
        [Decision("a", ("x", "y")), Decision("b", ("x", "y")), Decision("c", (0, 1, 2))]
    )


@pytest.fixture
def space() -> FakeSpace:
    """Eight decisions: six operations of five options, two positions of three."""
    operations = tuple("abcde")
    return FakeSpace(
        [Decision(f"op{index}", operations) for index in range(6)]
        + [Decision(f"at{index}", (0, 1, 2)) for index in range(2)]
    )


def value(trial: FrozenTrial) -> float | None:
    """The reward: the first objective."""
    return trial.values[0] if trial.values else None


@pytest.fixture
def reward() -> Callable[[FrozenTrial], float | None]:
    return value


Objective = Callable[[optuna.Trial], float]


@pytest.fixture
def objective() -> Callable[[SearchSpace], Objective]:
    """Makes an objective: the share of decisions that take a target option, with noise."""

    def make(space: SearchSpace) -> Objective:
        def evaluate(trial: optuna.Trial) -> float:
            matches = [
                trial.suggest_categorical(d.name, d.options) == d.options[index % len(d.options)]
                for index, d in enumerate(space.decisions)
            ]
            noise = np.random.default_rng(trial.number).normal(scale=0.02)
            return float(np.mean(matches) + noise)

        return evaluate

    return make


@pytest.fixture
def run(
    objective: Callable[[SearchSpace], Objective],
) -> Callable[[BaseSampler, SearchSpace, int], optuna.Study]:
    """Runs a study in memory for a number of trials."""

    def start(sampler: BaseSampler, space: SearchSpace, trials: int) -> optuna.Study:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective(space), n_trials=trials)
        return study

    return start


def proposal(study: optuna.Study, space: SearchSpace) -> dict[str, Any]:
    """What the study's sampler proposes for its next trial."""
    trial = study.ask()
    return {d.name: trial.suggest_categorical(d.name, d.options) for d in space.decisions}


@pytest.fixture
def propose() -> Callable[[optuna.Study, SearchSpace], dict[str, Any]]:
    return proposal
