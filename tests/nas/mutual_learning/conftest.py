from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas.tasks
from nas.mutual_learning.settings import ClassificationMutualConfig, MutualConfig
from nas.tasks import ClassificationTask


class Narrow(nn.Module):
    """Two stages and a classifier; networks differ in depth, and in the width of the first."""

    def __init__(self, num_classes: int, in_channels: int, depth: int = 1, width: int = 4):
        super().__init__()
        self.early = nn.Sequential(*_block(in_channels, width, depth))
        self.middle = nn.Sequential(*_block(width, 6, depth))
        self.head = nn.Linear(6, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.middle(self.early(images))
        logits: Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits


def _block(inputs: int, outputs: int, depth: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(depth):
        layers.append(nn.Conv2d(inputs if number == 0 else outputs, outputs, 3, padding=1))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
    return layers


def shallow(num_classes: int, in_channels: int) -> nn.Module:
    return Narrow(num_classes, in_channels)


def deep(num_classes: int, in_channels: int) -> nn.Module:
    return Narrow(num_classes, in_channels, depth=2)


def wide(num_classes: int, in_channels: int) -> nn.Module:
    return Narrow(num_classes, in_channels, width=8)


@pytest.fixture(scope="session")
def all_digits() -> ClassificationTask:
    task = nas.tasks.load("digits", size=8)
    assert isinstance(task, ClassificationTask)
    return task


@pytest.fixture(scope="session")
def digits(all_digits: ClassificationTask) -> ClassificationTask:
    """Few images, which suffice to see whether and from what networks learn."""
    few = {split: source.select(np.arange(128)) for split, source in all_digits.sources.items()}
    return replace(all_digits, sources=few)


MakeConfig = Callable[..., MutualConfig]


@pytest.fixture(scope="session")
def make_config() -> MakeConfig:
    """Two tiny networks in two parts, trained for two epochs, with whatever is changed."""

    def make(**changes: object) -> MutualConfig:
        training = {
            "epochs": 2,
            "augmentation": "none",
            "batch_size": 64,
            "learning_rate": 3e-3,
            **changes.pop("training", {}),  # type: ignore[dict-item]
        }
        names: Any = changes.pop("networks", ("deep", "shallow"))
        values = {
            "task": "digits",
            "task_options": {"size": 8},
            "students": [{"model": {"name": f"{__file__}:{name}"}} for name in names],
            "cut": ["early"],
            "device": "cpu",
            "training": training,
        }
        return ClassificationMutualConfig.model_validate(values | changes)

    return make


@pytest.fixture
def config(make_config: MakeConfig) -> MutualConfig:
    return make_config()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
