"""Batches of images from a task's split."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from nas.tasks import Task
from nas.tasks.mapped import IN_MEMORY
from nas.training.loop import Batch
from nas.training.seeding import derive

T = TypeVar("T")

# Batches that are on their way while one is learned from.
_AHEAD = 2

Augment = Callable[[Any, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class Images(Protocol):
    """What images are taken from: a tensor, or photos of several sizes."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Any: ...


@dataclass(frozen=True)
class Normaliser:
    """Turns uint8 images into what the encoder expects: (x / 255 - mean) / std per channel."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, images: Tensor, device: torch.device) -> Tensor:
        """Float32 images in channels-last order, N x channels x H x W, on the device."""
        shape = (1, len(self.mean), 1, 1)
        mean = torch.tensor(self.mean, device=device).view(shape)
        std = torch.tensor(self.std, device=device).view(shape)
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        return images.to(torch.float32).div_(255).sub_(mean).div_(std)


@dataclass(frozen=True)
class ImageBatches:
    """Shuffled, augmented, normalised batches; a last batch that is smaller is left out.

    Attributes:
        images: uint8, N x channels x H x W, or photos that `augment` cuts to one size.
        targets: Class of every pixel, uint8, N x H x W, or of every image, int64, N.
        batch_size: Images of a batch; a smaller data set makes one batch.
        normalise: From uint8 to what the network expects.
        augment: Changes a batch of images and targets.
        device: Where the batches go.
        seed: Of the order, the augmentation and the mixing.
        mixing: Mixes the images of a batch and their targets, or None.
        teacher: Logits of a teacher for every image as it is, N x classes, or None.
    """

    images: Images
    targets: Tensor
    batch_size: int
    normalise: Normaliser
    augment: Augment
    device: torch.device
    seed: int
    mixing: Augment | None = None
    teacher: Tensor | None = None

    def __len__(self) -> int:
        return max(1, len(self.images) // self.batch_size)

    def epoch(self, index: int) -> Iterator[Batch]:
        """The batches of an epoch; for a GPU, whole batches are made ahead of the training."""
        batches = self._made(index)
        return _ahead(batches) if self._for_gpu else batches

    @property
    def _for_gpu(self) -> bool:
        # On a CPU the network has the cores, and may draw from the generator that augmentation
        # seeds for a moment: only on a GPU do networks have one of their own.
        return self.device.type == "cuda"

    def _made(self, index: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(derive(self.seed, "epoch", index))
        order = torch.randperm(len(self.images), generator=generator)
        rows = order[: len(self) * self.batch_size].split(self.batch_size)
        for chosen, images, targets in self._taken(rows):
            images, targets = self.augment(images, targets, generator)
            inputs, targets = self.normalise(images, self.device), targets.to(self.device)
            if self.mixing is not None:
                inputs, targets = self.mixing(inputs, targets, generator)
            known = self.teacher[chosen].to(self.device) if self.teacher is not None else None
            yield Batch(inputs, targets, known)

    def _taken(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Any, Tensor]]:
        """The rows, images and targets of each batch; of a large split they are read ahead."""
        taken = ((chosen, self.images[chosen], self.targets[chosen]) for chosen in rows)
        is_large = isinstance(self.images, Tensor) and self.images.nbytes > IN_MEMORY
        return _ahead(taken) if is_large else taken


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, the next few of which are made in a thread while one is used."""
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(next, items, None) for _ in range(_AHEAD))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item


def some_images(task: Task, device: torch.device, count: int = 8) -> Tensor:
    """A few normalised images of the training split, as a network sees them.

    Args:
        task: Of any kind.
        device: Where they go.
        count: How many, spread over the split; all of them if there are fewer.
    """
    images = task.dataset("train").images
    chosen = torch.linspace(0, len(images) - 1, min(count, len(images))).long()
    return Normaliser(task.mean, task.std)(images[chosen], device)
