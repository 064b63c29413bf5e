"""The baseline: a candidate of FastNAS built and trained as its authors published it.

Nekrasov et al., CVPR 2019, https://arxiv.org/abs/1810.10804. Everything is what PyTorch gives by
default: contiguous float32 tensors, one module per operation of the genotype, one small tensor per
parameter. Nothing is slowed down on purpose; where the published loop did needless work (a copy of
every block output, two operations for each average) it is left out, so the baseline is a little
faster than the original.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import rewards

Nested = Any
"""The nested form of a genotype: [[op0, [p1, p2, o1, o2], ...], [[i, j], ...]]."""

# (kernel, dilation) by number of the operation.
_CONVOLUTIONS = {0: (1, 1), 1: (3, 1), 5: (3, 3), 6: (3, 12)}
_SEPARABLE = {2: (3, 1), 3: (5, 1), 7: (3, 3), 8: (5, 6)}
_POOL, _NONE = 4, 10


def convolution(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """k×k convolution, batch norm, ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        # In place: batch norm needs its input for the backward pass, not its output.
        nn.ReLU(inplace=True),
    )


def separable(width: int, kernel: int, dilation: int) -> nn.Sequential:
    """Depthwise k×k convolution, 1×1 convolution, batch norm, ReLU."""
    padding = dilation * (kernel // 2)
    depthwise = nn.Conv2d(
        width, width, kernel, padding=padding, dilation=dilation, groups=width, bias=False
    )
    return nn.Sequential(depthwise, *convolution(width, width, 1))


class Pool(nn.Module):
    """Global average, 1×1 convolution, back to the size of the map at once."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = convolution(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return resize(self.project(x.mean((2, 3), keepdim=True)), x.shape[2:])


class Zero(nn.Module):
    """The operation `none`."""

    def forward(self, x: Tensor) -> Tensor:
        # Without a graph, unlike the published product with 0: the same values for less work.
        return torch.zeros_like(x)


class Cell(nn.Module):
    """The contextual cell: every node is computed, whether or not it is used."""

    def __init__(self, design: Nested, width: int) -> None:
        super().__init__()
        first, *nodes = design
        self.nodes = [(p1, p2) for p1, p2, _, _ in nodes]
        self.first = make_operation(first, width)
        self.left = nn.ModuleList(make_operation(o1, width) for _, _, o1, _ in nodes)
        self.right = nn.ModuleList(make_operation(o2, width) for _, _, _, o2 in nodes)

    def forward(self, x: Tensor) -> Tensor:
        pool, loose = [x, self.first(x)], [1]
        for (p1, p2), left, right in zip(self.nodes, self.left, self.right, strict=True):
            first, second = left(pool[p1]), right(pool[p2])
            pool += [first, second, first + second]
            loose = [p for p in loose if p not in (p1, p2)] + [len(pool) - 1]
        total = pool[loose[0]]
        for position in loose[1:]:
            total = total + pool[position]
        return total


class Block(nn.Module):
    """Two inputs, each through a cell and a projection, added at the larger size."""

    def __init__(self, design: Nested, width: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(Cell(design, width) for _ in range(2))
        self.projections = nn.ModuleList(convolution(width, width, 1) for _ in range(2))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        first = self.projections[0](self.cells[0](first))
        second = self.projections[1](self.cells[1](second))
        size = max(tuple(first.shape[2:]), tuple(second.shape[2:]))
        return resize(first, size) + resize(second, size)


class PlainDecoder(nn.Module):
    """The decoder of a genotype with an adapter for every encoder output and auxiliary cells."""

    def __init__(
        self, nested: Nested, channels: Sequence[int], num_classes: int, width: int
    ) -> None:
        super().__init__()
        design, self.pairs = nested
        self.adapters = nn.ModuleList(convolution(c, width, 1) for c in channels)
        self.blocks = nn.ModuleList(Block(design, width) for _ in self.pairs)
        self.auxiliary = nn.ModuleList(
            nn.Sequential(Cell(design, width), classifier(width, num_classes)) for _ in self.pairs
        )
        picked = {position for pair in self.pairs for position in pair}
        blocks = range(len(channels), len(channels) + len(self.pairs))
        self.collected = [position for position in blocks if position not in picked]
        self.merge = convolution(width * len(self.collected), width, 1)
        self.classifier = classifier(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The logits at the size of the largest map used, and those of the auxiliary heads."""
        pool = [adapter(x) for adapter, x in zip(self.adapters, features, strict=True)]
        heads = []
        for block, head, (i, j) in zip(self.blocks, self.auxiliary, self.pairs, strict=True):
            pool.append(block(pool[i], pool[j]))
            # The published validation computes the heads as well; here they are spared.
            if self.training:
                heads.append(head(pool[-1]))
        outputs = [pool[position] for position in self.collected]
        size = max(tuple(x.shape[2:]) for x in outputs)
        merged = torch.cat([resize(x, size) for x in outputs], dim=1)
        return self.classifier(self.merge(F.relu(merged))), heads


def classifier(width: int, num_classes: int) -> nn.Conv2d:
    """3×3 convolution with bias."""
    return nn.Conv2d(width, num_classes, 3, padding=1)


def make_operation(number: int, width: int) -> nn.Module:
    """The module of an operation of the cell."""
    if number in _CONVOLUTIONS:
        return convolution(width, width, *_CONVOLUTIONS[number])
    if number in _SEPARABLE:
        return separable(width, *_SEPARABLE[number])
    if number == _POOL:
        return Pool(width)
    return Zero() if number == _NONE else nn.Identity()


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear interpolation of maps N×C×h×w; a map that has the size is passed on."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class PlainData:
    """What is computed once for all candidates.

    Attributes:
        maps: The encoder's maps of the training images, each N×C×h×w.
        masks: Their classes at the size of the finest map, N×h×w, int64 as the loss wants them.
        teacher: The teacher's logits at that size, N×classes×h×w.
        validation_maps: The encoder's maps of the validation images.
        validation_masks: Their classes at the size of the images.
        classes: Names of the classes.
        ignore_index: Value of pixels that are passed over.
        class_weights: Weight of each class in the cross-entropy, or None for equal ones.
    """

    maps: tuple[Tensor, ...]
    masks: Tensor
    teacher: Tensor
    validation_maps: tuple[Tensor, ...]
    validation_masks: Tensor
    classes: tuple[str, ...]
    ignore_index: int
    class_weights: Tensor | None

    def cross_entropy(self, logits: Tensor, masks: Tensor) -> Tensor:
        """The mean over the pixels of a batch."""
        return F.cross_entropy(logits, masks, self.class_weights, ignore_index=self.ignore_index)


@dataclass(frozen=True)
class PlainTraining:
    """The published stage 0; the numbers come from the evaluator that it is compared with.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images of an update; a smaller last batch is left out, as published.
        learning_rate: Of Adam.
        clip: Largest norm of the gradient.
        polyak: Decay of the running average.
        auxiliary_weight: Weight of the loss of each auxiliary head.
        distillation_weight: Weight of the squared distance to the teacher's logits.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    clip: float
    polyak: float
    auxiliary_weight: float
    distillation_weight: float

    def train(self, decoder: PlainDecoder, data: PlainData, generator: torch.Generator) -> float:
        """Trains a decoder, which ends with its averaged weights.

        Returns:
            The mean loss of the last epoch.
        """
        # One update of each parameter after the other: what `Adam(parameters)` does on a CPU, and
        # what there was when FastNAS was published.
        adam = torch.optim.Adam(
            decoder.parameters(), self.learning_rate, foreach=False, fused=False
        )
        average = [tensor.clone() for tensor in _state(decoder)]
        decoder.train()
        steps = 0
        for _ in range(self.epochs):
            losses = []
            order = torch.randperm(len(data.masks), generator=generator)
            for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
                loss = self._loss(decoder, data, order[start : start + self.batch_size])
                adam.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(decoder.parameters(), self.clip)
                adam.step()
                steps += 1
                _average(decoder, average, self.polyak, steps)
                losses.append(float(loss.detach()))
        for tensor, mean in zip(_state(decoder), average, strict=True):
            tensor.copy_(mean)
        return sum(losses) / len(losses)

    def _loss(self, decoder: PlainDecoder, data: PlainData, chosen: Tensor) -> Tensor:
        logits, heads = decoder([maps[chosen] for maps in data.maps])
        loss = labelled(data, logits, heads, data.masks[chosen], self.auxiliary_weight)
        logits = resize(logits, data.teacher.shape[2:])
        return loss + self.distillation_weight * F.mse_loss(logits, data.teacher[chosen])


def labelled(
    data: PlainData, logits: Tensor, heads: Sequence[Tensor], masks: Tensor, weight: float
) -> Tensor:
    """The loss on masks; as published, all logits are brought to their size, whatever their own."""
    size = masks.shape[1:]
    loss = data.cross_entropy(resize(logits, size), masks)
    for head in heads:
        loss = loss + weight * data.cross_entropy(resize(head, size), masks)
    return loss


@dataclass(frozen=True)
class PlainNetworkTraining:
    """The published stage 1, end to end; the numbers come from the other side.

    Attributes:
        epochs: Passes over the training images.
        encoder_learning_rate: Of SGD with momentum 0.9.
        decoder_learning_rate: Of Adam.
        clip: Largest norm of the gradient of each part.
        polyak: Decay of the running average.
        auxiliary_weight: Weight of the loss of each auxiliary head.
    """

    epochs: int
    encoder_learning_rate: float
    decoder_learning_rate: float
    clip: float
    polyak: float
    auxiliary_weight: float

    def train(
        self,
        encoder: nn.Module,
        decoder: PlainDecoder,
        batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
        data: PlainData,
    ) -> tuple[nn.Module, float]:
        """Trains a copy of the encoder with the decoder; both end with their averaged weights.

        Args:
            encoder: Gives the maps of normalised images.
            decoder: After stage 0.
            batches: Of an epoch: normalised images, and masks at their size.
            data: What the loss needs to know of the task.

        Returns:
            The copy, and the mean loss of the last epoch.
        """
        network = nn.ModuleList([copy.deepcopy(encoder), decoder]).train()
        optimisers: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.SGD(
                network[0].parameters(), self.encoder_learning_rate, 0.9, foreach=False
            ),
            torch.optim.Adam(
                decoder.parameters(), self.decoder_learning_rate, foreach=False, fused=False
            ),
        )
        average = [tensor.clone() for tensor in _state(network)]
        steps = 0
        for epoch in range(self.epochs):
            losses = []
            for images, masks in batches(epoch):
                maps = network[0](images)
                logits, heads = decoder(maps)
                finest = F.interpolate(masks[:, None].float(), maps[0].shape[2:])[:, 0].long()
                loss = labelled(data, logits, heads, finest, self.auxiliary_weight)
                for optimiser in optimisers:
                    optimiser.zero_grad()
                loss.backward()
                for part, optimiser in zip(network, optimisers, strict=True):
                    nn.utils.clip_grad_norm_(part.parameters(), self.clip)
                    optimiser.step()
                steps += 1
                _average(network, average, self.polyak, steps)
                losses.append(float(loss.detach()))
        for tensor, mean in zip(_state(network), average, strict=True):
            tensor.copy_(mean)
        return network[0], sum(losses) / len(losses)


def _average(module: nn.Module, average: Sequence[Tensor], polyak: float, steps: int) -> None:
    # The warm-up is that of the other side: it costs nothing, and makes scores comparable.
    decay = min(polyak, steps / (steps + 9))
    for tensor, mean in zip(_state(module), average, strict=True):
        mean.lerp_(tensor, 1 - decay)


@torch.no_grad()
def score(
    decoder: PlainDecoder, data: PlainData, maps_of: Callable[[slice], Sequence[Tensor]]
) -> dict[str, float]:
    """F1 of every class on the validation images, at their own size.

    Args:
        decoder: A trained one.
        data: The masks and what they mean.
        maps_of: The encoder's maps of some of the images.
    """
    decoder.eval()
    # The counting is shared with the other side.
    meter = rewards.SegmentationMeter(len(data.classes), data.ignore_index)
    for start in range(0, len(data.validation_masks), 64):
        chosen = slice(start, start + 64)
        logits, _ = decoder(maps_of(chosen))
        masks = data.validation_masks[chosen]
        predictions = resize(logits, masks.shape[1:]).argmax(dim=1)
        meter.update(predictions.cpu().numpy(), masks.cpu().numpy())
    return rewards.class_scores(meter.confusion, data.classes)["f1"]


def _state(module: nn.Module) -> list[Tensor]:
    """Parameters and batch-norm statistics: what is averaged."""
    statistics = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    return [parameter.detach() for parameter in module.parameters()] + statistics
