"""Batches of labelled images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.tasks.classification.mixing import Mixing
from nas.training.images import Normaliser
from nas.training.loop import Batch
from nas.training.seeding import derive

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class LabelledBatches:
    """Shuffled, augmented, normalised batches; a last batch that is smaller is left out.

    Attributes:
        images: uint8, N x 3 x H x W.
        labels: Class of every image, int64, N.
        batch_size: Images of a batch; a smaller data set makes one batch.
        normalise: From uint8 to what the network expects.
        augment: Changes a batch of images.
        mixing: Mixes the images of a batch and their labels, or None.
        device: Where the batches go.
        seed: Of the order, the augmentation and the mixing.
        teacher: Logits of a teacher for every image as it is, N x classes, or None.
    """

    images: Tensor
    labels: Tensor
    batch_size: int
    normalise: Normaliser
    augment: Augment
    mixing: Mixing | None
    device: torch.device
    seed: int
    teacher: Tensor | None = None

    def __len__(self) -> int:
        return max(1, len(self.images) // self.batch_size)

    def epoch(self, index: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        generator = torch.Generator().manual_seed(derive(self.seed, "epoch", index))
        order = torch.randperm(len(self.images), generator=generator)
        for number in range(len(self)):
            chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
            images = self.augment(self.images[chosen], generator)
            inputs, targets = self.normalise(images, self.device), self.labels[chosen]
            targets = targets.to(self.device)
            if self.mixing is not None:
                inputs, targets = self.mixing(inputs, targets, generator)
            known = self.teacher[chosen].to(self.device) if self.teacher is not None else None
            yield Batch(inputs, targets, known)
