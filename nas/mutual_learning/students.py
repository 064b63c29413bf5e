"""Several networks in parts, and the paths across them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.classifiers import create_classifier
from nas.mutual_learning.losses import Path
from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.splitting import SplitNetwork, interfaces, split
from nas.tasks import ClassificationTask
from nas.training.seeding import seeded

SEPARATOR = "/"
"""Between the networks in the name of a path."""


class Students(nn.Module):
    """K networks with the same number of parts, any of which can follow any other's.

    Args:
        networks: By name, in order.
        shape: N x channels x height x width of an image.

    Raises:
        UserError: If the parts do not fit each other; the sentence tells the shapes.
    """

    def __init__(self, networks: Mapping[str, SplitNetwork], shape: tuple[int, int, int, int]):
        super().__init__()
        self.names = tuple(networks)
        self.networks = nn.ModuleDict(networks)
        _check_interfaces(networks, shape)

    def __len__(self) -> int:
        """Number of networks."""
        return len(self.names)

    @property
    def parts(self) -> int:
        """Of each network."""
        return len(self.student(0).parts)

    def student(self, number: int) -> SplitNetwork:
        """A network by its number."""
        network = self.networks[self.names[number]]
        assert isinstance(network, SplitNetwork)
        return network

    def part(self, path: Path) -> nn.Module:
        """The last part of the beginning of a path."""
        module: nn.Module = self.student(path[-1]).parts[len(path) - 1]
        return module

    def network(self, path: Path) -> nn.Module:
        """A path as a network of its own, which shares the weights."""
        return nn.Sequential(*(self.part(path[:end]) for end in range(1, len(path) + 1)))

    def name(self, path: Path) -> str:
        """What a path is called, for example ``resnet18/resnet34``."""
        return SEPARATOR.join(self.names[number] for number in path)

    def path(self, name: str) -> Path:
        """The path of a name.

        Raises:
            UserError: If there is none such.
        """
        steps = name.split(SEPARATOR)
        unknown = [step for step in steps if step not in self.names]
        if unknown or len(steps) != self.parts:
            raise UserError(
                f"path {name!r}: name {self.parts} networks with {SEPARATOR!r} between them, each "
                f"one of {', '.join(self.names)}."
            )
        return tuple(self.names.index(step) for step in steps)


class Forward:
    """Runs a batch of images through paths; what two of them share is computed once.

    Args:
        students: The networks.
        images: Normalised, N x channels x height x width.
    """

    def __init__(self, students: Students, images: Tensor):
        self._students = students
        self._known: dict[Path, Tensor] = {(): images}

    def __call__(self, path: Path) -> Tensor:
        """What comes out at the end of a path, or of the beginning of one."""
        if path not in self._known:
            self._known[path] = self._students.part(path)(self(path[:-1]))
        return self._known[path]

    def forget(self, number: int) -> None:
        """Drops whatever a network has computed, for example because its weights have changed."""
        self._known = {path: value for path, value in self._known.items() if number not in path}


def create_students(config: MutualConfig, task: ClassificationTask, seed: int) -> Students:
    """The networks of a run with the weights that their training starts from.

    A network begins the same whatever the others are and however it learns.

    Raises:
        UserError: If a network cannot be had or cut, or the parts do not fit each other.
    """
    networks = {}
    for number, (name, student) in enumerate(zip(config.names, config.students, strict=True)):
        with seeded(seed, "weights", number):
            network = create_classifier(
                student.model, task.num_classes, task.input_size, task.channels
            )
        networks[name] = split(network, config.cut_of(student), name)
    return Students(networks, task.input_shape)


def _check_interfaces(
    networks: Mapping[str, SplitNetwork], shape: tuple[int, int, int, int]
) -> None:
    found = {name: interfaces(network, shape) for name, network in networks.items()}
    (first, wanted), *others = found.items()
    for name, shapes in others:
        for cut, (one, other) in enumerate(zip(wanted, shapes, strict=True), start=1):
            if one != other:
                raise UserError(
                    f"{first} hands over {_told(one)} at its cut {cut} and {name} {_told(other)}; "
                    "cut them where the shapes agree."
                )


def _told(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def logits_by_path(
    students: Students, images: Tensor, paths: tuple[Path, ...]
) -> dict[Path, Tensor]:
    """Logits N x classes of each path, without gradients; shared beginnings are computed once."""
    with torch.inference_mode():
        forward = Forward(students, images)
        return {path: forward(path) for path in paths}
