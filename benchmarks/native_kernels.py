"""The native kernels against PyTorch's own, by shape: milliseconds and ratios, in turns.

Both sides run on the same channels-last tensors in one thread. The processor time of the fastest
turn counts, and the ratio is PyTorch's time over ours: above 1 ours is faster. A search has a
worker on every core, so figures of a busy machine are what a search sees.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.native import convolution, depthwise

CHANNELS = (32, 48, 96)
DENSE = ((1, 1), (3, 1), (3, 3), (3, 6), (3, 12))
DEPTHWISE = ((3, 1), (5, 1), (3, 3), (5, 6), (3, 12))
"""Kernel and dilation."""


def main() -> None:
    """Measures and prints."""
    options = parse_arguments()
    torch.set_num_threads(1)
    for side in options.sides:
        for channels in CHANNELS:
            images, delta = (maps(options.batch, channels, side) for _ in range(2))
            for kernel, dilation in DENSE:
                dense(options, images, delta, kernel, dilation)
            for kernel, dilation in DEPTHWISE:
                separable(options, images, delta, kernel, dilation)


def dense(
    options: argparse.Namespace, images: Tensor, delta: Tensor, kernel: int, dilation: int
) -> None:
    """The gradient of the weight of a dense convolution."""
    channels = images.shape[1]
    weight = torch.randn(channels, channels, kernel, kernel)
    times = fastest(
        options.turns,
        partial(convolution._weight_gradient, images, delta, weight, (dilation, dilation)),
        partial(gradients, images, delta, weight, dilation, (False, True, False)),
    )
    print(line("dense weight gradient", images, kernel, dilation, times), flush=True)


def separable(
    options: argparse.Namespace, images: Tensor, delta: Tensor, kernel: int, dilation: int
) -> None:
    """Both passes of a depthwise convolution."""
    weight = torch.randn(images.shape[1], 1, kernel, kernel)
    padding = kernel // 2 * dilation
    forward = fastest(
        options.turns,
        partial(depthwise._correlate, images, weight, dilation),
        partial(F.conv2d, images, weight, None, 1, padding, dilation, images.shape[1]),
    )
    print(line("depthwise forward", images, kernel, dilation, forward), flush=True)

    def ours() -> None:
        depthwise._correlate(delta, weight.flip(2, 3), dilation)
        depthwise._weight_gradient(images, delta, weight, dilation)

    backward = fastest(
        options.turns,
        ours,
        partial(gradients, images, delta, weight, dilation, (True, True, False)),
    )
    print(line("depthwise backward", images, kernel, dilation, backward), flush=True)


def gradients(
    images: Tensor, delta: Tensor, weight: Tensor, dilation: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, ...]:
    """PyTorch's gradients of images, weight and bias, those that are wanted."""
    padding = weight.shape[-1] // 2 * dilation
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        delta,
        images,
        weight,
        None,
        stride=(1, 1),
        padding=(padding, padding),
        dilation=(dilation, dilation),
        transposed=False,
        output_padding=(0, 0),
        groups=images.shape[1] // weight.shape[1],
        output_mask=wanted,
    )
    return found


def maps(batch: int, channels: int, side: int) -> Tensor:
    """Random maps in channels-last order."""
    drawn = torch.randn(batch, channels, side, side)
    return drawn.contiguous(memory_format=torch.channels_last)


def fastest(turns: int, *sides: Callable[[], object]) -> list[float]:
    """Milliseconds of the fastest turn of each side."""
    times = [float("inf")] * len(sides)
    for _ in range(turns):
        for index, run in enumerate(sides):
            start = time.thread_time()
            run()
            times[index] = min(times[index], 1000 * (time.thread_time() - start))
    return times


def line(what: str, images: Tensor, kernel: int, dilation: int, times: list[float]) -> str:
    """A row of the table."""
    ours, theirs = times
    size = "x".join(map(str, images.shape))
    shape = f"{what:<22} {size:<14} {kernel}x{kernel} dilation {dilation:<3}"
    return f"{shape} {ours:8.3f} ms ours {theirs:8.3f} ms PyTorch x{theirs / ours:5.2f}"


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--batch", type=int, default=32, help="images of a batch")
    parser.add_argument("--sides", type=int, nargs="+", default=(16, 32), help="of the maps")
    parser.add_argument("--turns", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()
