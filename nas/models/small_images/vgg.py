"""VGG networks with batch norm, for CIFAR."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from nas.models.small_images.staged import StagedNetwork

_WIDTHS = (64, 128, 256, 512, 512)
# Images of 32 pixels leave maps of 4, as the tables of distillation have them.
_POOLED_STAGES = (2, 3, 4)


def vgg(depth: int, num_classes: int, in_channels: int = 3) -> StagedNetwork:
    """A plain network of five stages, with one linear layer instead of the paper's three.

    Simonyan and Zisserman, Very Deep Convolutional Networks, 2015:
    https://arxiv.org/abs/1409.1556. Its convolutions keep their biases beside batch norm.

    Args:
        depth: Convolutions in each stage: 1 for vgg8, 2 for vgg13.
        num_classes: Number of classes.
        in_channels: Channels of the images.
    """
    stages = [
        _stage(number, inputs, outputs, depth)
        for number, (inputs, outputs) in enumerate(pairwise((in_channels, *_WIDTHS)), start=1)
    ]
    return StagedNetwork(nn.Identity(), stages, nn.Identity(), _WIDTHS[-1], num_classes)


def _stage(number: int, inputs: int, outputs: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.MaxPool2d(2)] if number in _POOLED_STAGES else []
    for channels in (inputs, *[outputs] * (depth - 1)):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)
