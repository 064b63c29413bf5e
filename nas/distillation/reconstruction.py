"""The loss of a student that draws what its teacher sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.inputs import require_equal_batches, require_maps
from nas.distillation.options import require_count


class Reconstruction(DistillationLoss):
    """The teacher's map, drawn from the student's at one or several sizes.

    A 1x1 convolution for each size makes the teacher's channels of the student's; the drawing is
    brought to the size by bilinear interpolation and compared with the teacher's map, averaged to
    the same size. One size of 32 is pixel-wise supervision (George and Marcel 2019,
    https://arxiv.org/abs/1907.04047) by a map in place of a label; 32 and 16 are a pyramid. Where
    the teacher's place is that of an input, such as ``select.depth`` of a network with branches,
    the student draws the images of a sensor that it does not have. These are normalised, so the
    drawing is not squeezed between 0 and 1.

    Args:
        student_channels: Channels of the student's map.
        teacher_channels: Channels of the teacher's map.
        sizes: Height and width of each drawing.
    """

    info = LossInfo(
        name="reconstruction",
        compares=("features",),
        summary="the teacher's map, or an input of it, drawn from a map of the student",
        paper=(
            "George and Marcel 2019, Deep Pixel-wise Binary Supervision for Face Presentation "
            "Attack Detection"
        ),
        link="https://arxiv.org/abs/1907.04047",
        # None is published for such maps: equal to the cross-entropy.
        weight=1.0,
        balance=0.5,
        maps_only=True,
        equal_sizes=False,
        # Its own convolutions see to the channels.
        adapter="none",
    )

    def __init__(self, student_channels: int, teacher_channels: int, sizes: Sequence[int] = (32,)):
        super().__init__()
        require_count("student_channels", student_channels)
        require_count("teacher_channels", teacher_channels)
        if not isinstance(sizes, list | tuple) or not sizes:
            raise ValueError(f"sizes must be a list, not {sizes!r}")
        for size in sizes:
            require_count("every size", size)
        self.student_channels = student_channels
        self.teacher_channels = teacher_channels
        self.sizes = tuple(sizes)
        self.decoders = nn.ModuleList(
            nn.Conv2d(student_channels, teacher_channels, kernel_size=1) for _ in self.sizes
        )

    @classmethod
    def options_for(
        cls, student_shape: tuple[int, ...], teacher_shape: tuple[int, ...], kind: str
    ) -> dict[str, Any]:
        """The channels on both sides."""
        return {"student_channels": student_shape[1], "teacher_channels": teacher_shape[1]}

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, the mean over the sizes, for maps of any height and width.

        Raises:
            ValueError: If these are no maps, or the batches or channels differ from what was told.
        """
        require_maps(student, teacher)
        require_equal_batches(student, teacher)
        channels = (student.shape[1], teacher.shape[1])
        if channels != (self.student_channels, self.teacher_channels):
            raise ValueError(
                f"reconstruction was made for {self.student_channels} student and "
                f"{self.teacher_channels} teacher channels, not {channels[0]} and {channels[1]}"
            )
        losses = []
        for size, decoder in zip(self.sizes, self.decoders, strict=True):
            drawn = functional.interpolate(
                decoder(student), size=(size, size), mode="bilinear", align_corners=False
            )
            losses.append(functional.mse_loss(drawn, functional.adaptive_avg_pool2d(teacher, size)))
        return torch.stack(losses).mean()
