"""What is minimised: cross-entropy, auxiliary heads, distillation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nas.distillation.base import IGNORED_TARGET, DistillationLoss
from nas.distillation.distiller import DistillationStep, Distiller
from nas.models.segmentation import resize
from nas.training.loop import Batch, Inputs
from nas.training.precision import Precision, autocast

Forward = Callable[[Inputs], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class SegmentationObjective:
    """Loss of a batch: cross-entropy + auxiliary heads + distillation.

    Auxiliary heads learn from masks at their own size. The main logits are brought to the size
    of the masks that come in, so their caller chooses at which resolution the loss is taken.

    Attributes:
        ignore_index: Pixels of this class are passed over.
        auxiliary_weight: Weight of each auxiliary head's cross-entropy.
        distillation: Loss on (student, teacher) logits of one size, or None.
        distillation_weight: Weight of the distillation loss.
        class_weights: Weight of each class in every cross-entropy, or None for equal ones.
    """

    ignore_index: int
    auxiliary_weight: float = 0.15
    distillation: DistillationLoss | None = None
    distillation_weight: float = 0.3
    class_weights: Tensor | None = None

    def __call__(
        self,
        logits: Tensor,
        auxiliary: Sequence[Tensor],
        masks: Tensor,
        teacher: Tensor | None = None,
    ) -> Tensor:
        """The scalar loss.

        Args:
            logits: N x classes x h x w.
            auxiliary: Logits of the auxiliary heads, each at a size of its own.
            masks: Class of every pixel, N x H x W.
            teacher: Logits of the teacher, N x classes x any size.

        Raises:
            ValueError: If a distillation loss is set and the teacher's logits are missing.
        """
        loss = self._cross_entropy(resize(logits, masks.shape[-2:]), masks)
        for head in auxiliary:
            target = resize_masks(masks, head.shape[-2:])
            loss = loss + self.auxiliary_weight * self._cross_entropy(head, target)
        if self.distillation is not None:
            if teacher is None:
                raise ValueError("distillation is on, but the batch has no teacher logits")
            divergence = self._divergence(self.distillation, logits, teacher, masks)
            loss = loss + self.distillation_weight * divergence
        return loss

    def _divergence(
        self, distillation: DistillationLoss, logits: Tensor, teacher: Tensor, masks: Tensor
    ) -> Tensor:
        aligned = resize(teacher, logits.shape[-2:])
        arguments = [logits, aligned]
        if distillation.needs_targets:
            targets = resize_masks(masks, logits.shape[-2:]).long()
            arguments.append(targets.masked_fill(targets == self.ignore_index, IGNORED_TARGET))
        loss: Tensor = distillation(*arguments)
        return loss

    def _cross_entropy(self, logits: Tensor, masks: Tensor) -> Tensor:
        # One row per pixel: the classes then lie side by side, which a CPU reduces faster.
        rows = logits.float().permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
        targets = masks.reshape(-1).long()
        total = functional.cross_entropy(
            rows,
            targets,
            weight=self.class_weights,
            ignore_index=self.ignore_index,
            reduction="sum",
        )
        # A batch may hold ignored pixels only; its mean would be 0/0.
        return total / (targets != self.ignore_index).sum().clamp(min=1)


@dataclass(frozen=True)
class SegmentationLoss:
    """Runs a network on a batch and gives its loss.

    Attributes:
        forward: Gives the logits and those of the auxiliary heads.
        objective: What is minimised on the labels, and on the teacher's logits where the batch
            holds them.
        precision: Of the forward pass; losses are always float32.
        distiller: Runs a teacher beside the network, or None.
        task_weight: Weight of the objective.
    """

    forward: Forward
    objective: SegmentationObjective
    precision: Precision = "float32"
    distiller: Distiller | None = None
    task_weight: float = 1.0

    def __call__(self, batch: Batch) -> Tensor:
        if self.distiller is None:
            with autocast(batch.targets.device, self.precision):
                logits, auxiliary = self.forward(batch.inputs)
            return self.objective(logits, auxiliary, batch.targets, batch.teacher)
        step = self._step(self.distiller, batch)
        if step.logits is None or self.task_weight == 0:
            return step.total
        loss = self.objective(step.logits, step.auxiliary, batch.targets)
        return step.total + self.task_weight * loss

    def parts(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `nas.training.recipe.BatchLoss.parts`."""
        assert self.distiller is not None  # cached logits have weights from the start
        step = self._step(self.distiller, batch)
        logits, auxiliary = step.logits, step.auxiliary
        if logits is None:
            with autocast(batch.targets.device, self.precision):
                logits, auxiliary = self.forward(batch.inputs)
        return self.objective(logits, auxiliary, batch.targets), step.losses

    def _step(self, distiller: Distiller, batch: Batch) -> DistillationStep:
        classes = batch.targets.long()
        classes = classes.masked_fill(classes == self.objective.ignore_index, IGNORED_TARGET)
        with autocast(batch.targets.device, self.precision):
            return distiller.step(batch.inputs, classes, self.forward)

    def means(self) -> dict[str, float]:
        """Nothing: the parts of the loss are not told apart."""
        return {}


def resize_masks(masks: Tensor, size: Sequence[int]) -> Tensor:
    """Nearest-neighbour resizing of masks N x H x W to N x size."""
    if tuple(masks.shape[-2:]) == tuple(size):
        return masks
    resized = functional.interpolate(
        masks[:, None].to(torch.float32), size=tuple(size), mode="nearest-exact"
    )
    return resized[:, 0].to(masks.dtype)
