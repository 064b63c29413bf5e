#!/usr/bin/env python
"""What the multi-scale loss adds to a training step of a student against spoofing.

    benchmarks/cell_losses.py --batch 64 --size 112 --repeats 5

A step is the forward and backward pass of the student alone. The loss runs forward and backward on
the last maps of student and teacher, without the teacher's own pass. Both are timed in turn, in one
run, and their medians compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from nas.distillation import DistillationLoss, create_loss
from nas.models.face_settings import FaceNetworkSettings

CHANNELS = {"rgb": 3, "depth": 1, "ir": 1}


def main() -> None:
    """Prints the time of a step, that of each loss, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="se_resnet18")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    settings = FaceNetworkSettings(name=options.model, inputs=("rgb",), channels=CHANNELS)
    student = settings.create(2, (options.size, options.size)).train()
    images = torch.rand(options.batch, sum(CHANNELS.values()), options.size, options.size)
    labels = torch.arange(options.batch) % 2
    maps = _last_map(student, images)

    def step() -> None:
        functional.cross_entropy(student(images), labels).backward()

    ours, theirs = torch.rand_like(maps), torch.rand_like(maps)
    ours.requires_grad_()
    classifier = nn.Linear(maps.shape[1], 2)
    losses = {
        weighting: create_loss("multi_scale", weighting=weighting)
        for weighting in ("uniform", "selector", "self_attention")
    }
    runs: dict[str, Callable[[], None]] = {"step": step}
    for name, loss in losses.items():

        def compared(loss: DistillationLoss = loss) -> None:
            loss(ours, theirs, classifier, classifier).backward()

        runs[name] = compared
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(options.repeats):
        for name, run in runs.items():
            # Time of this process, which others on the machine do not lengthen.
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{options.model}, {options.batch} images of {options.size}x{options.size}")
    print(f"step of the student: {1000 * medians.pop('step'):.1f} ms")
    for name, median in medians.items():
        ratio = median / statistics.median(seconds["step"])
        print(f"multi_scale, {name}: {1000 * median:.2f} ms, {100 * ratio:.2f} % of the step")


def _last_map(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The map that the network averages for its classifier."""
    found: list[torch.Tensor] = []
    pool = network.get_submodule("pool")
    handle = pool.register_forward_pre_hook(lambda module, given: found.append(given[0].detach()))
    network(images)
    handle.remove()
    return found[0]


if __name__ == "__main__":
    main()
