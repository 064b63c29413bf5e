#!/usr/bin/env python
r"""Accuracy against time budget of a network with exits, and how often the budgets are kept.

    scripts/anytime_budget.py runs/mutual/xml --budgets 1,2,5,10 --calls 1000

RUN is a run of ``nas mutual`` with ``anytime.safetensors`` in it, from ``nas export --anytime``.
Every call takes one image of the split. It prints Markdown; with `--least 0.99` it fails if a
budget is kept less often.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from pathlib import Path

import torch

import nas
from nas.mutual_learning.trained import load_task, read_config
from nas.report.mutual import exits_table
from nas.terminal import plain_console
from nas.training.images import Normaliser


def main() -> int:
    """Runs the calls of each budget and prints a row for it."""
    options = _parser().parse_args()
    network = nas.anytime(options.run / "anytime.safetensors", measure=True)
    task = load_task(read_config(options.run), options.data)
    data = task.dataset(options.split)
    images = Normaliser(task.mean, task.std)(data.images[: options.calls], torch.device("cpu"))
    labels = data.targets[: options.calls].tolist()
    plain_console().print(exits_table(network))
    print(f"\n{len(labels)} images of the {options.split} split, {network.times.device}\n")
    print("| budget, ms | within it, % | accuracy, % | median, ms | exits, % of calls |")
    print("|---|---|---|---|---|")
    shares = []
    for budget in map(float, options.budgets.split(",")):
        if network.plan(budget, gated=options.confidence is not None) is None:
            print(f"| {budget:g} | below every exit | | | |")
            continue
        answers = [network(image[None], budget, confidence=options.confidence) for image in images]
        shares.append(statistics.fmean(answer.milliseconds <= budget for answer in answers))
        correct = statistics.fmean(
            answer.label == task.classes[label]
            for answer, label in zip(answers, labels, strict=True)
        )
        middle = statistics.median(answer.milliseconds for answer in answers)
        exits = Counter(answer.exit for answer in answers)
        told = ", ".join(f"{name} {100 * n / len(answers):.0f}" for name, n in exits.most_common())
        cells = (f"{100 * shares[-1]:.1f}", f"{100 * correct:.2f}", f"{middle:.2f}", told)
        print(f"| {budget:g} | {' | '.join(cells)} |", flush=True)
    return int(min(shares, default=0.0) < options.least)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--budgets", default="1,2,5,10", help="milliseconds, with commas")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--split", default="test")
    parser.add_argument("--confidence", type=float, default=None)
    parser.add_argument("--data", default=None, help="folder of the images, if they have moved")
    parser.add_argument("--least", type=float, default=0.0, help="share of calls, from 0 to 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
