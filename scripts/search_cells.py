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
from nas.models.small_images.resnet import resnet
from nas.retraining.classification import ClassificationWork
from nas.retraining.options import RetrainOptions
from nas.retraining.selection import Selection, select
from nas.search.kinds import ClassificationSearchConfig
from nas.search.run_folder import RunFolder
from nas.settings import overridden, validate
from nas.training.seeding import derive, seeded
from nas.training.stages import train_stages

DEPTHS = (8, 20)


@dataclass(frozen=True)
class Contestant:
    """A network that is trained over seeds.

    Attributes:
        name: What it is called in the table.
        build: Makes it with the random weights of a seed.
    """

    name: str
    build: Callable[[int], nn.Module]


def main() -> None:
    """Trains the contestants and prints a table."""
    options = parse_arguments()
    torch.set_num_threads(1)
    run = RunFolder.open(options.run)
    config = run.config()
    if not isinstance(config, ClassificationSearchConfig):
        raise SystemExit(f"{options.run}: not a search for classifiers")
    (choice,) = select(
        run,
        Selection(trials=(options.trial,)) if options.trial is not None else Selection(best=True),
    )
    values = {"epochs": options.epochs}
    training = validate(
        type(config.retraining), overridden(config.retraining.model_dump(), values), "training"
    )

    def work(seed: int) -> ClassificationWork:
        retraining = RetrainOptions(training, options.distillation, device="cpu", seed=seed)
        return ClassificationWork(run, config, retraining, lambda what, record, epochs: None)

    shape = work(0).input_shape
    searched = work(0).build(choice.genotype)
    macs = latency.count(searched.eval(), shape).macs
    classes = len(work(0).scores(searched)["validation"]["f1"])
    contestants = [Contestant(choice.name, lambda seed: work(seed).build(choice.genotype))]
    contestants += [by_hand(depth, classes, macs, shape) for depth in DEPTHS]
    print(f"{choice.name}: {choice.genotype}, search quality {choice.search_quality}", flush=True)
    print("network       params      MACs  validation          test")
    for contestant in contestants:
        scores = [train(contestant, work(seed), seed, options.out) for seed in range(options.seeds)]
        counts = latency.count(contestant.build(0).eval(), shape)
        print(
            f"{contestant.name:12} {counts.parameters:8,} {counts.macs / 1e6:7.2f} M  "
            f"{spread([s[0] for s in scores])}  {spread([s[1] for s in scores])}",
            flush=True,
        )


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


def train(
    contestant: Contestant, work: ClassificationWork, seed: int, out: Path
) -> tuple[float, float]:
    """Trains one network; returns its accuracy on the validation and on the test split."""
    network = contestant.build(seed)
    train_stages(
        work.subject(network),
        work.stages,
        seed=derive(seed, "contest"),
        folder=out / f"{contestant.name}-{seed}",
        teacher=work.teacher(),
    )
    scores = work.scores(network)
    return scores["validation"]["macro"]["top1"], scores["test"]["macro"]["top1"]


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
