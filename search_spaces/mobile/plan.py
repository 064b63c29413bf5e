"""The blocks that a genotype describes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from search_spaces.mobile.form import Form, Stage
from search_spaces.mobile.sizes import Sizes

_SQUEEZE = 4
"""Squeeze-and-excitation squeezes to the block's input channels divided by this (MnasNet)."""


@dataclass(frozen=True)
class Block:
    """An inverted-residual block.

    Args:
        inputs: Channels of its input.
        expanded: Channels of the depthwise convolution.
        outputs: Channels of its output.
        kernel: Side of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        squeezed: Channels of the squeeze-and-excitation bottleneck; 0 for none.
    """

    inputs: int
    expanded: int
    outputs: int
    kernel: int
    stride: int
    squeezed: int

    @property
    def is_residual(self) -> bool:
        """Whether the input is added to the output: both have the same shape."""
        return self.stride == 1 and self.inputs == self.outputs


def first_block(sizes: Sizes) -> Block:
    """The block after the stem, which is not searched: 3×3 and without expansion."""
    return Block(sizes.stem_width, sizes.stem_width, sizes.first_width, 3, 1, 0)


def make_plan(form: Form, sizes: Sizes) -> tuple[tuple[Block, ...], ...]:
    """The blocks of every searched stage."""
    inputs = (sizes.first_width, *(stage.width for stage in form))
    return tuple(
        tuple(_stage_blocks(stage, channels, stride))
        for stage, channels, stride in zip(form, inputs, sizes.stage_strides, strict=False)
    )


def canonical_key(plan: tuple[tuple[Block, ...], ...]) -> str:
    """The blocks one after another, whatever stages they belong to."""
    return " ".join(_block_text(block) for stage in plan for block in stage)


def _stage_blocks(stage: Stage, inputs: int, stride: int) -> Iterator[Block]:
    for number in range(stage.depth):
        channels = inputs if number == 0 else stage.width
        yield Block(
            channels,
            channels * stage.expansion,
            stage.width,
            stage.kernel,
            stride if number == 0 else 1,
            max(1, channels // _SQUEEZE) if stage.squeeze_excitation else 0,
        )


def _block_text(block: Block) -> str:
    squeeze = f"q{block.squeezed}" if block.squeezed else ""
    shape = f"{block.inputs}-{block.expanded}-{block.outputs}"
    return f"{shape}k{block.kernel}s{block.stride}{squeeze}"
