"""Plain convolutional networks for experiments with a guided layer."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from nas.models.small_images.staged import StagedNetwork, convolution


def convnet(
    widths: tuple[int, ...], depth: int, num_classes: int, in_channels: int = 3
) -> StagedNetwork:
    """3x3 convolutions with batch norm and ReLU, without shortcuts.

    A thin and deep student can be guided by a wide and shallow teacher at any stage, as their
    maps have the same spatial size there (Romero et al., FitNets, 2015:
    https://arxiv.org/abs/1412.6550).

    Args:
        widths: Channels of each stage; every stage but the first begins with a 2x2 max-pool.
        depth: Convolutions in each stage.
        num_classes: Number of classes.
        in_channels: Channels of the images.
    """
    stages = [
        _stage(inputs, outputs, depth, pooled=number > 0)
        for number, (inputs, outputs) in enumerate(pairwise((in_channels, *widths)))
    ]
    return StagedNetwork(nn.Identity(), stages, nn.Identity(), widths[-1], num_classes)


def _stage(inputs: int, outputs: int, depth: int, pooled: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.MaxPool2d(2)] if pooled else []
    for channels in (inputs, *[outputs] * (depth - 1)):
        layers += [convolution(channels, outputs), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)
