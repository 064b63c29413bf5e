"""Retrains the best classifier of a search and hand-made networks of the same MACs, over seeds.

    python scripts/search_cells.py RUN [--trial N] --seeds 4 --epochs 20 [--no-distillation]

The hand-made network is a residual network of the form for CIFAR (He et al. 2016,
https://arxiv.org/abs/1512.03385) whose width is chosen so that its MACs come nearest to those of
the searched one. Both are trained in the same way, with the same teacher if there is one. The
epoch is chosen on the validation split; the test split is read once per network, at the end.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import latency
from nas.deployment.scores import scores_of
from nas.deployment.selection import Selection, select
from nas.distillation.terms import TermSettings
from nas.kinds.kind import AnyKind
from nas.kinds.registry import kind_named
from nas.models.small_images.resnet import resnet
from nas.searching.assembly import make_space
from nas.searching.config import ImageSearchConfig
from nas.searching.images import cache_of, load_task
from nas.searching.run_folder import RunFolder
from nas.settings import overridden, validate
from nas.tasks import Task
from nas.training.seeding import derive, seeded
from nas.training.stage_settings import StageSettings, StageTraining
from nas.training.stages import StageTeacher, Subject, train_stages

DEPTHS = (8, 20)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Contestant:
    """A network that is trained over seeds.

    Attributes:
        name: What it is called in the table.
        build: Makes it with the random weights of a seed.
    """

    name: str
    build: Callable[[int], nn.Module]


@dataclass(frozen=True)
class Contest:
    """What all contestants share.

    Attributes:
        kind: Of the search.
        task: The data.
        training: How each is trained.
        teacher: What each learns from, or None.
        stages: The one stage, with its losses towards the teacher.
    """

    kind: AnyKind
    task: Task
    training: StageTraining
    teacher: StageTeacher | None
    stages: tuple[StageSettings, ...]

    def train(self, contestant: Contestant, seed: int, out: Path) -> tuple[float, float]:
        """Trains one network; returns its accuracy on the validation and on the test split."""
        network = contestant.build(seed)
        train_stages(
            Subject(self.kind, network, self.task, self.training, CPU),
            self.stages,
            seed=derive(seed, "contest"),
            folder=out / f"{contestant.name}-{seed}",
            teacher=self.teacher,
        )
        scores = scores_of(network.eval(), self.task, CPU)
        return scores["validation"]["macro"]["top1"], scores["test"]["macro"]["top1"]


def main() -> None:
    """Trains the contestants and prints a table."""
    options = parse_arguments()
    torch.set_num_threads(1)
    run = RunFolder.open(options.run)
    config = run.config()
    if not isinstance(config, ImageSearchConfig) or config.kind is not kind_named("classification"):
        raise SystemExit(f"{options.run}: not a search for classifiers")
    (choice,) = select(
        run,
        Selection(trials=(options.trial,)) if options.trial is not None else Selection(best=True),
    )
    contest = make_contest(run, config, options)
    kind, task = contest.kind, contest.task
    found = kind.found(make_space(config), choice.genotype, config.evaluation)

    def searched(seed: int) -> nn.Module:
        with seeded(seed, "retrain"):
            return kind.untrained(found, task, None)

    shape = task.input_shape
    macs = latency.count(searched(0).eval(), shape).macs
    contestants = [Contestant(choice.name, searched)]
    contestants += [by_hand(depth, task.num_classes, macs, shape) for depth in DEPTHS]
    print(f"{choice.name}: {choice.genotype}, search quality {choice.search_quality}", flush=True)
    print("network       params      MACs  validation          test")
    for contestant in contestants:
        scores = [contest.train(contestant, seed, options.out) for seed in range(options.seeds)]
        counts = latency.count(contestant.build(0).eval(), shape)
        print(
            f"{contestant.name:12} {counts.parameters:8,} {counts.macs / 1e6:7.2f} M  "
            f"{spread([s[0] for s in scores])}  {spread([s[1] for s in scores])}",
            flush=True,
        )


def make_contest(run: RunFolder, config: ImageSearchConfig, options: argparse.Namespace) -> Contest:
    """What the contestants share, as ``nas retrain`` has it."""
    values = overridden(config.retraining.model_dump(), {"epochs": options.epochs})
    training = validate(type(config.retraining), values, "training")
    kind, task = config.kind, load_task(config)
    teacher: StageTeacher | None = None
    losses: tuple[TermSettings, ...] = ()
    if options.distillation:
        prepared = kind.prepare(
            task,
            config.evaluation,
            make_space(config),
            cache_of(run, config),
            CPU,
            config.seed,
            lambda what, record, epochs: None,
        )
        if prepared.teacher is None:
            raise SystemExit(f"{options.run}: it had no teacher; give --no-distillation")
        teacher = StageTeacher(prepared.teacher.network, prepared.teacher.identity)
        losses = config.retraining_losses
    return Contest(kind, task, training, teacher, (StageSettings(name="retrain", losses=losses),))


class ChannelsFirst(nn.Module):
    """Brings maps into the memory order of torch's default.

    The backward pass of a 1x1 convolution of stride 2 with fewer than 8 channels, in the other
    order, corrupts memory on a CPU: https://github.com/uxlfoundation/oneDNN/issues/6035.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """The same maps."""
        return maps.contiguous()


def by_hand(depth: int, classes: int, macs: int, shape: tuple[int, int, int, int]) -> Contestant:
    """The residual network of a depth whose MACs come nearest."""

    def network(width: int) -> nn.Module:
        return nn.Sequential(
            ChannelsFirst(), resnet(depth, (width, width, 2 * width, 4 * width), classes)
        )

    def distance(width: int) -> int:
        return abs(latency.count(network(width).eval(), shape).macs - macs)

    width = min(range(2, 40), key=distance)

    def build(seed: int) -> nn.Module:
        with seeded(seed, "retrain"):
            return network(width)

    return Contestant(f"resnet{depth}-{width}", build)


def spread(values: list[float]) -> str:
    """Mean and sample standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):.4f} ± {deviation:.4f}"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of a search for classifiers")
    add("--trial", type=int, help="number of a trial; the best reward unless given")
    add("--seeds", type=int, default=4)
    add("--epochs", type=int, default=20)
    add("--no-distillation", dest="distillation", action="store_false")
    add("--out", type=Path, default=Path("runs/contest"), help="where trainings are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
