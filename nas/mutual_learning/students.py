"""Several networks in parts, and the paths across them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from nas.distillation.taps import Taps
from nas.distillation.terms import OUTPUT
from nas.errors import UserError
from nas.models.classifiers import create_classifier
from nas.mutual_learning.adapters import Adapters
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
        adapted: Whether adapters join parts whose maps differ in width.

    Attributes:
        names: Of the networks.
        shapes: Of each network, what it hands over at its cuts.
        adapters: Those between networks, with random weights.

    Raises:
        UserError: If the parts do not fit each other; the sentence tells the shapes.
    """

    def __init__(
        self,
        networks: Mapping[str, SplitNetwork],
        shape: tuple[int, int, int, int],
        adapted: bool = False,
    ):
        super().__init__()
        self.names = tuple(networks)
        self.networks = nn.ModuleDict(networks)
        self.shapes = tuple(interfaces(network, shape) for network in networks.values())
        self.adapters = Adapters(self.shapes, self.names, adapted)

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
        modules: list[nn.Module] = []
        for end in range(1, len(path) + 1):
            adapter = self.adapters.between(end - 1, *path[end - 2 : end]) if end > 1 else None
            modules += (
                [self.part(path[:end])] if adapter is None else [adapter, self.part(path[:end])]
            )
        return nn.Sequential(*modules)

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
        tapped: Paths of modules whose outputs are kept, by the number of their network.
    """

    def __init__(
        self,
        students: Students,
        images: Tensor,
        tapped: Mapping[int, Sequence[str]] = MappingProxyType({}),
    ):
        self._students = students
        self._tapped = tapped
        self._outputs: dict[int, dict[str, Tensor]] = {}
        self._known: dict[Path, Tensor] = {(): images}
        self._adapted: dict[Path, Tensor] = {}

    def __call__(self, path: Path) -> Tensor:
        """What comes out at the end of a path, or of the beginning of one."""
        if path not in self._known and len(set(path)) == 1 and self._tapped.get(path[0]):
            self._run_tapped(path[0])
        if path not in self._known:
            self._known[path] = self._students.part(path)(self.handed_over(path))
        return self._known[path]

    def outputs(self, number: int) -> dict[str, Tensor]:
        """What the tapped modules of a network give, and its logits at `OUTPUT`."""
        logits = self((number,) * self._students.parts)
        return {**self._outputs.get(number, {}), OUTPUT: logits}

    def handed_over(self, path: Path) -> Tensor:
        """What the last part of the beginning of a path takes, adapted where widths differ."""
        before = path[:-1]
        adapter = self._students.adapters.between(len(before), *path[-2:]) if before else None
        if adapter is None:
            return self(before)
        if path not in self._adapted:
            self._adapted[path] = adapter(self(before))
        return self._adapted[path]

    def forget(self, number: int) -> None:
        """Drops whatever a network has computed, for example because its weights have changed.

        What adapters from it and to it have given goes as well.
        """
        self._known = {path: value for path, value in self._known.items() if number not in path}
        self._adapted = {p: value for p, value in self._adapted.items() if number not in p}
        self._outputs.pop(number, None)

    def _run_tapped(self, number: int) -> None:
        """Runs a network in one go, as modules around a cut are in none of its parts."""
        student = self._students.student(number)
        with Taps(student.network, dict.fromkeys([*self._tapped[number], *student.cuts])) as taps:
            logits = taps.run(self._known[()])
        self._outputs[number] = dict(taps.outputs)
        for end, cut in enumerate(student.cuts, start=1):
            self._known[(number,) * end] = taps.outputs[cut]
        self._known[(number,) * self._students.parts] = logits


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
    with seeded(seed, "adapters"):
        return Students(networks, task.input_shape, config.adapters is not None)


def logits_by_path(
    students: Students, images: Tensor, paths: tuple[Path, ...]
) -> dict[Path, Tensor]:
    """Logits N x classes of each path, without gradients; shared beginnings are computed once."""
    with torch.inference_mode():
        forward = Forward(students, images)
        return {path: forward(path) for path in paths}
