"""Batches of the encoder's maps, which are computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nas.kinds.segmentation.objective import resize_masks
from nas.models.segmentation import resize
from nas.training.loop import Batch
from nas.training.seeding import derive


@dataclass(frozen=True)
class SplitFeatures:
    """The encoder's maps of every image of a split.

    Attributes:
        maps: One tensor per stride, N x h x w x C, float32 or bfloat16: a gathered batch is then
            already in channels-last order.
        masks: Class of every pixel, N x H x W.
        teacher: Logits of the teacher, N x h x w x classes, or None.
        resized: What `targets` has found, which the maps of all encoders share.
    """

    maps: tuple[Tensor, ...]
    masks: Tensor
    teacher: Tensor | None
    resized: dict[tuple[int, ...], tuple[Tensor, Tensor | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.masks)

    def gather(self, index: Tensor | slice) -> list[Tensor]:
        """The maps of some images, each n x C x h x w float32."""
        return [maps[index].float().permute(0, 3, 1, 2) for maps in self.maps]

    def first(self, count: int) -> SplitFeatures:
        """The same images, with the finest of their maps."""
        return replace(self, maps=self.maps[:count])

    def targets(self, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """Masks and teacher logits (N x h x w x classes) at a size; kept for the next candidate."""
        if size not in self.resized:
            masks = resize_masks(self.masks, size)
            teacher = None
            if self.teacher is not None:
                aligned = resize(self.teacher.permute(0, 3, 1, 2), size)
                teacher = aligned.permute(0, 2, 3, 1).contiguous()
            self.resized[size] = (masks, teacher)
        return self.resized[size]


@dataclass(frozen=True)
class FeatureBatches:
    """Shuffled batches of cached maps; a last batch that is smaller is left out.

    Attributes:
        features: The split.
        batch_size: Images of a batch; a smaller split makes one batch.
        mask_size: Size of the masks that are given.
        logits_size: Size of the teacher's logits that are given.
        with_teacher: Whether they are given.
        seed: Of the order.
    """

    features: SplitFeatures
    batch_size: int
    mask_size: tuple[int, int]
    logits_size: tuple[int, int]
    with_teacher: bool
    seed: int

    def __len__(self) -> int:
        return max(1, len(self.features) // self.batch_size)

    def epoch(self, index: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        generator = torch.Generator().manual_seed(derive(self.seed, "epoch", index))
        order = torch.randperm(len(self.features), generator=generator)
        order = order.to(self.features.masks.device)
        masks, _ = self.features.targets(self.mask_size)
        _, teacher = self.features.targets(self.logits_size)
        for number in range(len(self)):
            chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield Batch(
                self.features.gather(chosen),
                masks[chosen],
                teacher[chosen].permute(0, 3, 1, 2)
                if teacher is not None and self.with_teacher
                else None,
            )
