"""The loss that lets the student generate the teacher's features from a part of its own."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas.distillation.base import DistillationLoss, LossInfo
from nas.distillation.options import (
    require_count,
    require_one_of,
    require_positive,
    require_share,
)

# Weight and masked share that the authors use for classification and for segmentation.
_PUBLISHED = {"channel": (7e-5, 0.15), "spatial": (2e-5, 0.75)}


class MGD(DistillationLoss):
    """Masked generative distillation (Yang et al. 2022, https://arxiv.org/abs/2205.01529).

    A random part of the student's map is set to 0, and two 3x3 convolutions with a ReLU between
    them generate the teacher's map from what is left: alpha times the sum of the squared
    differences, averaged over samples. Where the channels differ, a 1x1 convolution comes first.
    Convolutions and adapter learn with the student: their parameters belong in its optimiser.

    Args:
        student_channels: Channels of the student's map.
        teacher_channels: Channels of the teacher's map.
        mask: ``channel`` drops whole channels of a sample (classification), ``spatial`` drops
            positions in all channels (segmentation).
        alpha: Weight, above 0; None is the authors' one for the mask.
        mask_ratio: The share that is dropped, below 1; None is the authors' one for the mask.
    """

    info = LossInfo(
        name="mgd",
        compares=("features", "logits"),
        summary="the teacher's map, generated from a masked map of the student",
        paper="Yang et al. 2022, Masked Generative Distillation",
        link="https://arxiv.org/abs/2205.01529",
        # The ratio 0.7 of a public benchmark on CUB-200, by the rule of `ratio_weight`.
        weight=0.7 / 0.3,
        balance=0.5,
        maps_only=True,
        # Its own convolutions see to the channels.
        adapter="none",
    )

    def __init__(
        self,
        student_channels: int,
        teacher_channels: int,
        mask: Literal["channel", "spatial"] = "channel",
        alpha: float | None = None,
        mask_ratio: float | None = None,
    ):
        super().__init__()
        require_count("student_channels", student_channels)
        require_count("teacher_channels", teacher_channels)
        require_one_of("mask", mask, tuple(_PUBLISHED))
        published_alpha, published_ratio = _PUBLISHED[mask]
        self.student_channels = student_channels
        self.teacher_channels = teacher_channels
        self.mask = mask
        self.alpha = published_alpha if alpha is None else alpha
        self.mask_ratio = published_ratio if mask_ratio is None else mask_ratio
        require_positive("alpha", self.alpha)
        require_share("mask_ratio", self.mask_ratio)
        self.adapter = _adapter(student_channels, teacher_channels)
        self.generator = nn.Sequential(
            nn.Conv2d(teacher_channels, teacher_channels, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(teacher_channels, teacher_channels, kernel_size=3, padding=1),
        )

    @classmethod
    def options_for(
        cls, student_shape: tuple[int, ...], teacher_shape: tuple[int, ...], kind: str
    ) -> dict[str, Any]:
        """The channels on both sides, and positions to be masked for segmentation."""
        channels = {"student_channels": student_shape[1], "teacher_channels": teacher_shape[1]}
        return channels | ({"mask": "spatial"} if kind == "segmentation" else {})

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar.

        Args:
            student: N x student channels x height x width.
            teacher: N x teacher channels x the same height x the same width.

        Raises:
            ValueError: If a shape differs from that.
        """
        self._require_fitting(student, teacher)
        adapted = self.adapter(student)
        generated = self.generator(adapted * self.draw_mask(adapted))
        return (generated - teacher).square().sum() / len(student) * self.alpha

    def draw_mask(self, maps: Tensor) -> Tensor:
        """Zeros where the map is dropped and ones elsewhere, in a shape that broadcasts to it.

        Args:
            maps: N x teacher channels x height x width.
        """
        samples, channels, height, width = maps.shape
        channel_wise = self.mask == "channel"
        shape = (samples, channels, 1, 1) if channel_wise else (samples, 1, height, width)
        return (torch.rand(shape, device=maps.device) >= self.mask_ratio).to(maps.dtype)

    def _require_fitting(self, student: Tensor, teacher: Tensor) -> None:
        fitting = (
            student.ndim == teacher.ndim == 4
            and student.shape[1] == self.student_channels
            and teacher.shape[1] == self.teacher_channels
            and student.shape[0] == teacher.shape[0]
            and student.shape[2:] == teacher.shape[2:]
        )
        if not fitting:
            raise ValueError(
                f"masked generation needs maps of one size with {self.student_channels} student "
                f"and {self.teacher_channels} teacher channels, not {tuple(student.shape)} and "
                f"{tuple(teacher.shape)}"
            )


def _adapter(student_channels: int, teacher_channels: int) -> nn.Module:
    if student_channels == teacher_channels:
        return nn.Identity()
    return nn.Conv2d(student_channels, teacher_channels, kernel_size=1)
