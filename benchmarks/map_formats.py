"""Scores of candidates whose encoder's maps are kept in float32, and in bfloat16.

The same candidates are trained by stage 0 alone on drawn faces, with each format and each seed; the
encoder is trained once. The difference that the format makes is to be read beside the one that
another seed makes.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

import nas.tasks
import search_spaces
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluator import Evaluator
from nas.kinds.registry import kind_of
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings

FORMATS = ("float32", "bfloat16")


def scores(options: argparse.Namespace, cache: Path) -> dict[str, np.ndarray]:
    """Mean F1 of the classes for each format, seeds x candidates."""
    task = nas.tasks.load("faces", size=options.size, train=options.images, validation=100, test=1)
    space, kind = search_spaces.create(options.space), kind_of(task)
    genotypes = [space.sample(random.Random(7000 + row)) for row in range(options.candidates)]
    found = {}
    for form in FORMATS:
        settings = SegmentationEvaluationSettings.model_validate(
            {
                "pretraining": {"epochs": options.pretraining},
                "stage0": {"epochs": options.epochs, "batch_size": 16, "maps": form},
                "distillation": {"enabled": False},
            }
        )
        prepared = kind.prepare(
            task, settings, space, cache, torch.device("cpu"), 0, lambda what, record, epochs: None
        )
        candidates = kind.candidates(space, settings, task.num_classes, task.input_shape, prepared)
        evaluator = Evaluator(prepared, settings, CostMeter(candidates))
        found[form] = np.array(
            [
                [evaluator.evaluate(one, seed).macro["f1"] for one in genotypes]
                for seed in range(options.seeds)
            ]
        )
    return found


def report(found: dict[str, np.ndarray]) -> None:
    """Prints what the format changes, beside what the seed changes."""
    exact, halved = (found[form] for form in FORMATS)
    for seed, (one, other) in enumerate(zip(exact, halved, strict=True)):
        print(f"seed {seed}: float32 {one.round(4)}")
        print(f"seed {seed}: bfloat16 {other.round(4)}")
        rank = spearmanr(one, other).statistic
        print(f"seed {seed}: Spearman of float32 and bfloat16 {rank:.3f}")
    change = halved - exact
    print(
        f"bfloat16 - float32: mean {change.mean():+.4f}, standard deviation {change.std():.4f}, "
        f"largest {np.abs(change).max():.4f}"
    )
    for form in FORMATS:
        differences = [
            found[form][seed] - found[form][seed - 1] for seed in range(1, len(found[form]))
        ]
        ranks = [
            spearmanr(found[form][seed], found[form][seed - 1]).statistic
            for seed in range(1, len(found[form]))
        ]
        print(
            f"one seed and the next in {form}: standard deviation {np.std(differences):.4f}, "
            f"largest {np.abs(differences).max():.4f}, Spearman {statistics.fmean(ranks):.3f}"
        )


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--size", type=int, default=64, help="side of the faces in pixels")
    add("--images", type=int, default=200, help="faces to train on")
    add("--space", default="nano")
    add("--candidates", type=int, default=8)
    add("--seeds", type=int, default=2)
    add("--pretraining", type=int, default=6, help="epochs of the encoder")
    add("--epochs", type=int, default=6, help="of stage 0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        report(scores(options, Path(cache)))


if __name__ == "__main__":
    main()
