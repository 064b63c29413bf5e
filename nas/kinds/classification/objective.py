"""What is minimised when a classifier is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from nas.distillation.distiller import Distiller
from nas.training.loop import Batch
from nas.training.precision import Precision, autocast
from nas.training.teaching import KnownLogits


@dataclass(frozen=True)
class ClassificationLoss:
    """Runs a classifier on a batch: cross-entropy + distillation + R-Drop.

    Attributes:
        forward: Gives the logits of normalised images.
        distiller: Runs student and teacher in place of `forward`, or None.
        task_weight: Weight of the cross-entropy.
        label_smoothing: Share of a label that goes to all classes.
        class_weights: Weight of each class in the cross-entropy, or None for equal ones.
        r_drop: Weight of the divergence of two passes with different dropout (Liang et al. 2021,
            https://arxiv.org/abs/2106.14448), or None for a single pass. It is a mean over the
            batch, so its weight does not depend on the batch size; the other losses are the means
            of those of the passes, with or without a teacher.
        precision: Of the forward pass; losses are always float32.
        known: Logits of the teacher that the batches hold, and the loss towards them, or None.
    """

    forward: Callable[[Tensor], Tensor]
    distiller: Distiller | None = None
    task_weight: float = 1.0
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    r_drop: float | None = None
    precision: Precision = "float32"
    known: KnownLogits | None = None
    _sums: dict[str, Tensor] = field(
        default_factory=lambda: defaultdict(lambda: torch.zeros(())), repr=False
    )

    def __call__(self, batch: Batch) -> Tensor:
        passes = [self._pass(batch) for _ in range(1 if self.r_drop is None else 2)]
        total = torch.stack([loss for loss, _ in passes]).mean()
        if self.r_drop is not None:
            first, second = (logits for _, logits in passes)
            divergence = symmetric_divergence(first, second)
            self._note("r_drop", divergence)
            total = total + self.r_drop * divergence
        self._note("batches", torch.ones(()))
        return total

    def parts(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `nas.training.recipe.BatchLoss.parts`."""
        assert self.distiller is not None  # known logits have weights from the start
        with autocast(batch.targets.device, self.precision):
            step = self.distiller.step(batch.inputs, batch.targets)
            logits = self.forward(batch.inputs) if step.logits is None else step.logits
        return self._cross_entropy(logits.float(), batch.targets), step.losses

    def means(self) -> dict[str, float]:
        """Means of the parts of the loss since the last call, and the training accuracy."""
        sums = {key: float(value) for key, value in self._sums.items()}
        self._sums.clear()
        batches, images = sums.pop("batches", 1.0), sums.pop("images", 0.0)
        correct = sums.pop("correct", 0.0)
        passes = 1 if self.r_drop is None else 2
        means = {
            f"train_{key}": value / batches / (1 if key == "r_drop" else passes)
            for key, value in sums.items()
        }
        if images:
            means["train_accuracy"] = correct / images
        return means

    def _pass(self, batch: Batch) -> tuple[Tensor, Tensor]:
        device = batch.targets.device
        if self.distiller is None:
            with autocast(device, self.precision):
                logits = self.forward(batch.inputs).float()
            return self._task(logits, batch.targets) + self._towards(logits, batch), logits
        with autocast(device, self.precision):
            step = self.distiller.step(batch.inputs, batch.targets)
        for name, loss in step.losses.items():
            self._note(name, loss)
        if step.logits is None:
            return step.total, torch.empty(0)
        logits = step.logits.float()
        if self.task_weight == 0:
            return step.total, logits
        return step.total + self._task(logits, batch.targets), logits

    def _towards(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss towards known logits, 0 without a term."""
        if self.known is None:
            return logits.new_zeros(())
        if batch.teacher is None:
            raise ValueError("there is a loss towards known logits, but the batch has none")
        term = self.known
        targets = (batch.targets,) if term.loss.needs_targets else ()
        loss: Tensor = term.loss(logits, batch.teacher, *targets)
        self._note("distillation", loss)
        return term.weight * loss

    def _task(self, logits: Tensor, targets: Tensor) -> Tensor:
        loss = self._cross_entropy(logits, targets)
        self._note("task", loss)
        labels = targets if targets.ndim == 1 else targets.argmax(dim=1)
        self._note("correct", (logits.argmax(dim=1) == labels).sum().float())
        self._note("images", torch.tensor(float(len(labels))))
        return self.task_weight * loss

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits, targets, weight=self.class_weights, label_smoothing=self.label_smoothing
        )

    def _note(self, name: str, value: Tensor) -> None:
        # It stays where it is: reading a figure in every step would stop a GPU.
        self._sums[name] = self._sums[name] + value.detach()


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Half the sum of both KL divergences of two predictions, a mean over the batch.

    Args:
        first: Logits N x classes.
        second: Logits of the same images.
    """
    p, q = first.log_softmax(dim=1), second.log_softmax(dim=1)
    return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(dim=1).mean()
