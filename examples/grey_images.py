"""Grey images end to end: a search, a retrained network with one input channel, ONNX and int8.

python examples/grey_images.py
"""

import onnx
import torch
from torch.utils.data import TensorDataset

import nas
import nas.tasks


def discs(count: int, seed: int) -> TensorDataset:
    """Grey images 1x32x32 of a bright disc, and masks of where it is."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(32).view(1, 32, 1) - torch.randint(
        8, 24, (count, 1, 1), generator=generator
    )
    columns = torch.arange(32).view(1, 1, 32) - torch.randint(
        8, 24, (count, 1, 1), generator=generator
    )
    masks = (rows**2 + columns**2 < 49).long()
    noise = torch.randint(0, 100, (count, 32, 32), generator=generator)
    return TensorDataset((noise + 120 * masks).to(torch.uint8)[:, None], masks)


task = nas.tasks.from_datasets(
    "discs", ["ground", "disc"], discs(96, 0), discs(32, 1), discs(32, 2)
)
print(task.inputs, task.input_shape)
run = nas.search(
    task,
    space="fastnas",
    teacher=False,
    penalties={"flops": -0.3},
    trials=3,
    run="runs/discs",
    config={
        "space.options": {"branches": 2, "cells": 2, "width": 8},
        "evaluation.encoder": {"name": "lcnet_035", "weights": "none"},
        "evaluation.stage0.epochs": 2,
    },
)
print(run.front())
network = run.retrain("best", epochs=2, int8=True)
(image,) = onnx.load(network.onnx).graph.input
print("input of the ONNX file:", [size.dim_value for size in image.type.tensor_type.shape.dim])
print("int8:", network.metrics["int8"]["file"])
