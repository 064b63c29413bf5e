"""Batch-norm statistics of parts for each path that leads to them.

In training, the norms of a lower part see the maps of every upper part and keep one mean and
variance for all of them. Here each part gets statistics of its own behind each beginning of a path.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.kinds.registry import kind_of
from nas.mutual_learning.losses import Path, all_paths
from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.students import Forward, Students
from nas.tasks import Task
from nas.training.images import Normaliser

IMAGES = 5000
"""Of the training split, on which statistics are measured at most."""
BATCH = 64
"""About as many images are normalised together."""


class Statistics(nn.ModuleDict):
    """Mean and variance of the batch norms of modules, by the place where a module runs.

    Its state is these tensors alone; the weights are those of the modules.

    Args:
        modules: By place; those without batch norms that keep statistics are passed over.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        super().__init__()
        self._placed: dict[str, nn.Module] = {}
        for place, module in modules.items():
            norms = norms_in(module)
            if norms:
                self[place] = nn.ModuleList(_Moments(norm) for norm in norms)

    def placed(self, place: str, module: nn.Module) -> nn.Module:
        """A module with the statistics of a place, in evaluation mode; its weights are shared.

        Where none are known of the place, it is the module itself.
        """
        if place not in self:
            return module
        if place not in self._placed:
            self._placed[place] = self._copy(place, module)
        return self._placed[place]

    def _copy(self, place: str, module: nn.Module) -> nn.Module:
        norms = norms_in(module)
        counted = {id(buffer) for norm in norms for buffer in norm.buffers(recurse=False)}
        tensors = [*module.parameters(), *module.buffers()]
        shared: dict[int, Any] = {id(one): one for one in tensors if id(one) not in counted}
        # Whoever trains the copy later needs tensors that may be changed.
        with torch.inference_mode(False):
            own = copy.deepcopy(module, shared)
        for norm, moments in zip(norms_in(own), self._moments(place), strict=True):
            norm.running_mean, norm.running_var = moments.mean, moments.variance
        return own.eval()

    def _moments(self, place: str) -> list[_Moments]:
        return [one for one in self[place].children() if isinstance(one, _Moments)]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Statistics:
        # Buffers that move to another device become other tensors, which the copies do not hold.
        self._placed.clear()
        super()._apply(fn, recurse)
        return self


class _Moments(nn.Module):
    """The statistics of one batch norm at one place."""

    mean: Tensor
    variance: Tensor

    def __init__(self, norm: _BatchNorm):
        super().__init__()
        assert norm.running_mean is not None and norm.running_var is not None
        self.register_buffer("mean", norm.running_mean.clone())
        self.register_buffer("variance", norm.running_var.clone())


def norms_in(module: nn.Module) -> list[_BatchNorm]:
    """The batch norms within a module that keep statistics, in order."""
    return [
        one
        for one in module.modules()
        if isinstance(one, _BatchNorm) and one.running_mean is not None
    ]


def measure_statistics(
    students: Students, config: MutualConfig, task: Task, device: torch.device
) -> None:
    """Gives networks that have learned statistics of each part behind each beginning of a path.

    They are measured on images of the training split without augmentation, as means over batches;
    no weight changes and nothing is random. Networks that learned by XML are measured on every
    path. By other methods no norm saw a crossed path, so only these are measured, and whole
    networks keep their statistics; so do norms whose statistics were frozen in training.

    Args:
        students: Put into evaluation mode; without batch norms to measure nothing else changes.
        config: How they learned.
        task: The data.
        device: Where the networks are.
    """
    paths = [path for path in _beginnings(students) if config.method == "xml" or len(set(path)) > 1]
    gather_statistics(students, paths, _images(task, device), _kept(students, config, task))


def gather_statistics(
    students: Students,
    paths: Sequence[Path],
    batches: Iterable[Tensor],
    kept: Collection[_BatchNorm] = (),
) -> None:
    """Gives networks statistics behind some beginnings of paths.

    Args:
        students: Put into evaluation mode.
        paths: The beginnings.
        batches: Normalised images, each N x channels x height x width.
        kept: Norms of the networks that keep their statistics.
    """
    modules = {place: one for path in paths for place, one in students.running(path).items()}
    statistics = Statistics(modules)
    norms = [
        norm
        for place, module in modules.items()
        for norm, common in zip(
            norms_in(statistics.placed(place, module)), norms_in(module), strict=True
        )
        if common not in kept
    ]
    students.eval()
    if not norms:
        return
    students.statistics = statistics
    with _gathering(norms), torch.no_grad():
        for images in batches:
            forward = Forward(students, images)
            for path in paths:
                forward(path)


def expect_statistics(students: Students, names: Collection[str], prefix: str = "") -> None:
    """Makes room for the statistics in a file of networks; that of an older run has none.

    Args:
        students: As built.
        names: Of the tensors in the file.
        prefix: Of the names of those that are the networks'.
    """
    found = {
        place: module
        for path in _beginnings(students)
        for place, module in students.running(path).items()
        if any(name.startswith(f"{prefix}statistics.{place}.") for name in names)
    }
    if found:
        students.statistics = Statistics(found)


def _beginnings(students: Students) -> list[Path]:
    ends = range(1, students.parts + 1)
    return [path for end in ends for path in all_paths(len(students), end)]


def _kept(students: Students, config: MutualConfig, task: Task) -> set[_BatchNorm]:
    networks = [students.student(number).network for number in range(len(students))]
    frozen = [one for number, one in enumerate(networks) if number not in config.learning]
    for network in networks:
        frozen += kind_of(task).frozen_statistics(network, config.training)
    return {norm for module in frozen for norm in norms_in(module)}


def _images(task: Task, device: torch.device) -> Iterator[Tensor]:
    images, normalise = task.dataset("train").images, Normaliser(task.mean, task.std)
    count = min(len(images), IMAGES)
    chosen = torch.arange(count) * len(images) // count
    batches = -(-count // BATCH)
    # Images often lie class by class, and a batch shall have some of each.
    for start in range(batches):
        yield normalise(images[chosen[start::batches]], device)


@contextmanager
def _gathering(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Lets batch norms take the mean over all batches."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum, norm.training = momentum, False
