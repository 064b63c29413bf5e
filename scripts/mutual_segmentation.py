#!/usr/bin/env python
r"""Mutual learning for segmentation: encoders trained apart, by DML and by XML, and their paths.

    scripts/mutual_segmentation.py --task-option train=100 --epochs 20 --seeds 4 --work runs/seg

Two small encoders of equal widths are trained by ``nas train``, each with a decoder of its own, and
by DML and XML under one decoder. Then XML goes on from the encoders that were trained apart, under
a new decoder. What is trained already is not trained again. It prints the mean IoU of every path as
Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from nas.api.mutual import run_mutual
from nas.api.trainings import run_experiment
from nas.cli.values import assignments
from nas.experiments.run import mean_and_spread
from nas.kinds.network_file import FILE
from nas.models.small_images.resnet import ResidualBlock

WIDTHS = (16, 32, 64)
STRIDES = (2, 4, 8)
Rows = dict[str, list[float]]
"""Mean IoU of each seed, by what it is of."""


class SmallEncoder(nn.Module):
    """Three stages of residual blocks, each of which halves height and width.

    Args:
        in_channels: Of the images.
        blocks: Of each stage.
    """

    channels, strides = WIDTHS, STRIDES

    def __init__(self, in_channels: int, blocks: int):
        super().__init__()
        widths = (in_channels, *WIDTHS)
        for number in range(1, len(widths)):
            before, width = widths[number - 1 : number + 1]
            stage = [ResidualBlock(before, width, stride=2)]
            stage += [ResidualBlock(width, width, stride=1) for _ in range(blocks - 1)]
            self.add_module(f"stage{number}", nn.Sequential(*stage))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of normalised images, the finest first."""
        maps = [images]
        for stage in self.children():
            maps.append(stage(maps[-1]))
        return maps[1:]


def shallow(in_channels: int) -> SmallEncoder:
    """One block in each stage."""
    return SmallEncoder(in_channels, 1)


def deep(in_channels: int) -> SmallEncoder:
    """Two blocks in each stage."""
    return SmallEncoder(in_channels, 2)


def main() -> None:
    """Trains what is missing and prints the table."""
    options = _parser().parse_args()
    apart = {name: options.work / f"apart-{name}" for name in ("shallow", "deep")}
    alone = {name: _alone(options, name, folder) for name, folder in apart.items()}
    columns: dict[str, Mapping[str, Sequence[float]]] = {
        "apart": {f"{name}/{name}": values for name, values in alone.items()}
    }
    for method in ("dml", "xml"):
        columns[method] = _together(options, method, options.work / method, options.epochs)
    continued: Rows = {}
    for seed in range(options.seeds):
        weights = [folder / f"seed-{seed}" / FILE for folder in apart.values()]
        folder = options.work / f"continued-{seed}"
        found = _together(options, "xml", folder, options.continued_epochs, weights, seed)
        for name, values in found.items():
            continued.setdefault(name, []).extend(values)
    columns["xml from those apart"] = continued
    _print(columns)


def _alone(options: argparse.Namespace, name: str, folder: Path) -> list[float]:
    values = {
        **_common(options, options.epochs),
        "seeds": options.seeds,
        "model": {"name": f"{__file__}:{name}", "strides": list(STRIDES)},
    }
    run = run_experiment(values, folder)
    return run.evaluate(options.split).figures["none"]["mean_iou"]


def _together(
    options: argparse.Namespace,
    method: str,
    folder: Path,
    epochs: int,
    weights: Sequence[Path] | None = None,
    seed: int | None = None,
) -> Rows:
    students = [
        {
            "model": {
                "name": f"{__file__}:{name}",
                "strides": list(STRIDES),
                "weights": str(weights[number]) if weights else "none",
            }
        }
        for number, name in enumerate(("shallow", "deep"))
    ]
    values = {
        **_common(options, epochs),
        "seeds": options.seeds if seed is None else 1,
        "seed": seed or 0,
        "students": students,
        "cut": ["stage2"],
        "method": method,
    }
    summary = run_mutual(values, folder).evaluate(options.split)
    together = f"ensemble of {len(summary.paths)} paths"
    return {**summary.paths, together: summary.ensembles["paths, probabilities"]}


def _common(options: argparse.Namespace, epochs: int) -> dict[str, object]:
    return {
        "task": options.task,
        "task_options": assignments(options.task_option),
        "training.epochs": epochs,
        "device": options.device,
        **assignments(options.settings),
    }


def _print(columns: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    print("| path | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in columns["xml"]:
        cells = [_told(found[row]) if row in found else "" for found in columns.values()]
        print(f"| {row} | " + " | ".join(cells) + " |")


def _told(values: Sequence[float]) -> str:
    mean, spread = mean_and_spread(list(values))
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--task", default="faces")
    add("--task-option", action="append", default=[], help="for example train=100")
    add("--epochs", type=int, default=20)
    add("--continued-epochs", type=int, default=10, help="of XML from the encoders trained apart")
    add("--seeds", type=int, default=4)
    add("--split", default="test", help="that is scored")
    add("--device", default="auto")
    add("--set", dest="settings", action="append", default=[], help="KEY=VALUE for every training")
    add("--work", type=Path, required=True, help="folder of the runs")
    return parser


if __name__ == "__main__":
    main()
