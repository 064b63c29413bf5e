"""Milliseconds that a trial spends around the training of its candidate.

Runs a real search (SQLite study in a temporary folder, controller on the real space, records,
progress) over an evaluator that counts costs as the real one does and makes up the scores. What is
left is the overhead: it is printed per trial, and as a share of a candidate of five seconds.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

import rewards
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Decide, Evaluation, go_on
from nas.searching import search
from nas.searching.assembly import Parts, make_controller, of_kind
from nas.searching.config import ImageSearchConfig, SearchConfig, image_config
from nas.searching.continuing import StudyData
from nas.searching.images import ImageAssembly, candidates_of
from nas.searching.run_folder import RunFolder
from nas.tasks import SegmentationTask
from rewards import Reward
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

CANDIDATE_SECONDS = 5.0


@dataclass
class Stopwatch:
    """Sums the seconds of the blocks that run under it, of processor and of wall."""

    cpu: float = 0.0
    wall: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measures a block."""
        cpu, wall = now()
        yield
        self.cpu += now()[0] - cpu
        self.wall += now()[1] - wall


def now() -> tuple[float, float]:
    """Seconds of processor time of all threads of this process, and of wall time."""
    return time.process_time(), time.perf_counter()


class TimedSampler(BaseSampler):
    """A controller whose work is timed.

    Args:
        controller: What draws candidates and learns from trials.
        watch: Sums its time.

    Attributes:
        starts: When each trial asked for its candidate.
    """

    def __init__(self, controller: BaseSampler, watch: Stopwatch) -> None:
        self._controller = controller
        self._watch = watch
        self.starts: list[tuple[float, float]] = []

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self.starts.append(now())
        with self._watch.running():
            return self._controller.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with self._watch.running():
            return self._controller.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        with self._watch.running():
            return self._controller.sample_independent(study, trial, param_name, param_distribution)


class CountingEvaluator:
    """Counts the costs of a candidate and makes its scores up.

    Args:
        meter: What the real evaluator counts with.
        task: Its classes have the scores.
        watch: Sums the time of counting.
    """

    def __init__(self, meter: CostMeter, task: SegmentationTask, watch: Stopwatch) -> None:
        self._meter = meter
        self._task = task
        self._watch = watch

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """A record of the size of a real one."""
        with self._watch.running():
            known = self._meter.known(genotype)
        rng = random.Random(f"{genotype} {seed}")
        scores = {
            metric: {name: rng.random() for name in self._task.classes}
            for metric in ("f1", "iou", "accuracy")
        }
        return Evaluation(
            scores=scores,
            macro={metric: rewards.macro(values) for metric, values in scores.items()},
            groups={group: rng.random() for group in self._task.groups},
            costs=known.costs,
            curves={"stage0": [rng.random() for _ in range(5)]},
            seconds=dict.fromkeys(("build", "costs", "stage0", "score", "total"), 0.0),
            details=known.details,
        )


@dataclass
class TimedAssembly:
    """The parts of a segmentation search with an evaluator that trains nothing.

    Attributes:
        sampling: Time of drawing and learning.
        costs: Time of counting parameters and FLOPs.
        sampler: The timed controller, once the search has begun.
    """

    sampling: Stopwatch = field(default_factory=Stopwatch)
    costs: Stopwatch = field(default_factory=Stopwatch)
    sampler: TimedSampler | None = None
    _images: ImageAssembly = field(default_factory=ImageAssembly)

    def space(self, config: SearchConfig) -> SearchSpace:
        return self._images.space(config)

    def reward(self, config: SearchConfig) -> Reward:
        return self._images.reward(config)

    def data(self, config: SearchConfig) -> StudyData:
        return self._images.data(config)

    def check(self, config: SearchConfig) -> None:
        """There is nothing that could be wrong."""

    def prepare(self, run: RunFolder, config: SearchConfig) -> SearchConfig:
        return config

    def parts(self, run: RunFolder, config: SearchConfig, device: str) -> Parts:
        config = of_kind(config, ImageSearchConfig)
        task = self._images.task(config)
        assert isinstance(task, SegmentationTask)  # the space builds decoders
        space, reward = self.space(config), self.reward(config)
        meter = CostMeter(candidates_of(config, space, task))
        # The encoder is counted once in a search, however long.
        meter.counts(space.sample(random.Random(config.seed)))
        self.sampler = TimedSampler(make_controller(config, space, reward), self.sampling)
        evaluator = CountingEvaluator(meter, task, self.costs)
        return Parts(space, reward, self.sampler, evaluator)


def main() -> None:
    """Runs a search and prints where its time went."""
    options = parse_arguments()
    config = image_config("segmentation").model_validate(
        {
            "trials": options.trials,
            "seed": options.seed,
            "device": "cpu",
            "controller": {"name": options.controller},
            "reward": {"penalties": [{"cost": "flops", "base": 1e8}]},
        }
    )
    assembly = TimedAssembly()
    with tempfile.TemporaryDirectory() as folder:
        # A search of one worker works in this process, so no import path is needed.
        search.start(config, Path(folder, "run"), assembly, "")
    report(assembly, options)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--trials", type=int, default=60, help="candidates of the search (default 60)")
    add("--controller", default="reinforce", help="a controller of ours (default reinforce)")
    add("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.trials < 6:
        parser.error("--trials must be at least 6, as the first and the last third are compared")
    return options


def report(assembly: TimedAssembly, options: argparse.Namespace) -> None:
    """Prints the table."""
    assert assembly.sampler is not None
    starts = assembly.sampler.starts
    trials, third = len(starts), len(starts) // 3
    whole = per_trial(starts)
    sampling = (assembly.sampling.cpu / trials, assembly.sampling.wall / trials)
    costs = (assembly.costs.cpu / trials, assembly.costs.wall / trials)
    rest = (whole[0] - sampling[0] - costs[0], whole[1] - sampling[1] - costs[1])
    print(f"{trials} trials, controller {options.controller}, torch {torch.__version__}")
    print(f"{'ms per trial':<34}{'CPU':>8}{'wall':>8}")
    for name, seconds in (
        ("sampling: draw, learn", sampling),
        ("costs: build, parameters, FLOPs", costs),
        ("study, records, progress", rest),
        ("everything around training", whole),
        ("  first third", per_trial(starts[: third + 1])),
        ("  last third", per_trial(starts[-third - 1 :])),
    ):
        print(f"{name:<34}{1e3 * seconds[0]:8.1f}{1e3 * seconds[1]:8.1f}")
    shares = [100 * seconds / CANDIDATE_SECONDS for seconds in whole]
    print(
        f"of a candidate of {CANDIDATE_SECONDS:.0f} s: {shares[0]:.1f} % CPU, "
        f"{shares[1]:.1f} % wall (at most 5 % wanted)"
    )


def per_trial(starts: list[tuple[float, float]]) -> tuple[float, float]:
    """Mean seconds from one trial's start to the next, of processor and of wall."""
    (first_cpu, first_wall), (last_cpu, last_wall) = starts[0], starts[-1]
    rounds = len(starts) - 1
    return (last_cpu - first_cpu) / rounds, (last_wall - first_wall) / rounds


if __name__ == "__main__":
    main()
