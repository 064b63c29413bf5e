"""Several networks in parts, and the paths across them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas.distillation.taps import Taps
from nas.distillation.terms import OUTPUT
from nas.errors import UserError
from nas.models.encoder import Encoder
from nas.models.segmentation import PlainDecoder, resize
from nas.mutual_learning.adapters import Adapters
from nas.mutual_learning.losses import Path
from nas.mutual_learning.splitting import SplitNetwork, interfaces

if TYPE_CHECKING:
    from nas.mutual_learning.statistics import Statistics

SEPARATOR = "/"
"""Between the networks in the name of a path."""


class Students(nn.Module):
    """K networks with the same number of parts, any of which can follow any other's.

    Args:
        networks: By name, in order.
        shape: N x channels x height x width of an image.
        adapted: Whether adapters join parts whose maps differ in width.
        decoder: Where the networks are encoders, what makes logits of the maps of any path.

    Attributes:
        names: Of the networks.
        shapes: Of each network, what it hands over at its cuts.
        adapters: Those between networks, with random weights.
        decoder: As given; None where every network ends in a classifier.
        statistics: Of batch norms, for each path; None where all paths share those of training.

    Raises:
        UserError: If the parts do not fit each other; the sentence tells the shapes.
    """

    def __init__(
        self,
        networks: Mapping[str, SplitNetwork],
        shape: tuple[int, int, int, int],
        adapted: bool = False,
        decoder: nn.Module | None = None,
    ):
        super().__init__()
        self.names = tuple(networks)
        self.networks = nn.ModuleDict(networks)
        self.shapes = tuple(interfaces(network, shape) for network in networks.values())
        self.adapters = Adapters(self.shapes, self.names, adapted)
        self.decoder = decoder
        self.statistics: Statistics | None = None
        self._image_size = shape[-2:]

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
        """The last part of the beginning of a path, with its statistics there."""
        return self._placed(_place(path), self._last(path))

    def decoder_behind(self, path: Path) -> nn.Module | None:
        """The decoder with its statistics behind a path."""
        if self.decoder is None:
            return None
        return self._placed(_place(path, "decoder"), self.decoder)

    def running(self, path: Path) -> dict[str, nn.Module]:
        """What runs at the end of the beginning of a path, as it learned, by place."""
        found = {_place(path): self._last(path)}
        if self.decoder is not None and len(path) == self.parts:
            found[_place(path, "decoder")] = self.decoder
        return found

    def _last(self, path: Path) -> nn.Module:
        part: nn.Module = self.student(path[-1]).parts[len(path) - 1]
        return part

    def _placed(self, place: str, module: nn.Module) -> nn.Module:
        return module if self.statistics is None else self.statistics.placed(place, module)

    def network(self, path: Path) -> nn.Module:
        """A path as a network of its own, which shares the weights."""
        modules: list[nn.Module] = []
        for end in range(1, len(path) + 1):
            adapter = self.adapters.between(end - 1, *path[end - 2 : end]) if end > 1 else None
            modules += (
                [self.part(path[:end])] if adapter is None else [adapter, self.part(path[:end])]
            )
        decoder = self.decoder_behind(path)
        if decoder is not None:
            modules.append(_Decoding(decoder, self._image_size))
        return nn.Sequential(*modules)

    def whole(self, number: int) -> nn.Module:
        """A network by itself, which gives logits."""
        if self.decoder is None and self.statistics is None:
            return self.student(number).network
        return self.network((number,) * self.parts)

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


def _place(path: Path, *within: str) -> str:
    return "-".join([*map(str, path), *within])


class _Decoding(nn.Module):
    """The end of a segmentation network: a decoder whose logits are brought to the image's size."""

    def __init__(self, decoder: nn.Module, size: tuple[int, int]):
        super().__init__()
        self.decoder = decoder
        self._size = size

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return resize(self.decoder(maps), self._size)


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
        self._known: dict[Path, Any] = {(): images}
        self._adapted: dict[Path, Tensor] = {}
        self._decoded: dict[Path, Tensor] = {}

    def __call__(self, path: Path) -> Any:
        """Logits at the end of a path; at that of the beginning of one, what is handed over.

        Those of a decoder have its own size.
        """
        if len(path) < self._students.parts:
            return self._output(path)
        decoder = self._students.decoder_behind(path)
        if decoder is None:
            return self._output(path)
        if path not in self._decoded:
            self._decoded[path] = decoder(self._output(path))
        return self._decoded[path]

    def _output(self, path: Path) -> Any:
        if path not in self._known and len(set(path)) == 1 and self._tapped.get(path[0]):
            self._run_tapped(path[0])
        if path not in self._known:
            self._known[path] = self._students.part(path)(self.handed_over(path))
        return self._known[path]

    def outputs(self, number: int) -> dict[str, Tensor]:
        """What the tapped modules of a network give, and its logits at `OUTPUT`."""
        logits = self((number,) * self._students.parts)
        return {**self._outputs.get(number, {}), OUTPUT: logits}

    def handed_over(self, path: Path) -> Any:
        """What the last part of the beginning of a path takes, adapted where widths differ."""
        before = path[:-1]
        adapter = self._students.adapters.between(len(before), *path[-2:]) if before else None
        if adapter is None:
            return self._output(before)
        if path not in self._adapted:
            self._adapted[path] = adapter(self._output(before))
        return self._adapted[path]

    def forget(self, number: int) -> None:
        """Drops whatever a network has computed, for example because its weights have changed.

        What adapters from it and to it and a shared decoder have given goes as well.
        """
        self._known = {path: value for path, value in self._known.items() if number not in path}
        self._adapted = {p: value for p, value in self._adapted.items() if number not in p}
        self._decoded.clear()
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


def under_one_decoder(
    encoders: Mapping[str, SplitNetwork], num_classes: int, shape: tuple[int, int, int, int]
) -> Students:
    """Encoders in parts, any path through which a plain decoder ends in a class for every pixel.

    Args:
        encoders: By name, in order; see `split_encoder`.
        num_classes: Of the task.
        shape: N x channels x height x width of an image.

    Raises:
        UserError: If one decoder cannot take the maps of all, or the parts do not fit each other.
    """
    channels = {}
    for name, encoder in encoders.items():
        assert isinstance(encoder.network, Encoder)
        channels[name] = encoder.network.channels
    (first, taken), *others = channels.items()
    for name, given in others:
        if given != taken:
            raise UserError(
                f"one decoder takes the maps of all encoders, but {first} gives {_told(taken)} "
                f"channels and {name} {_told(given)}; choose encoders of equal width."
            )
    return Students(encoders, shape, decoder=PlainDecoder(taken, num_classes))


def _told(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels))


def logits_by_path(
    students: Students, images: Tensor, paths: tuple[Path, ...]
) -> dict[Path, Tensor]:
    """Logits of each path, without gradients; shared beginnings are computed once."""
    with torch.inference_mode():
        forward = Forward(students, images)
        return {path: forward(path) for path in paths}
