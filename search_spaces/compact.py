"""Whole segmentation networks of a size: which encoder, how much of it, and a decoder on it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.cells.reading import check_whole, read_parts
from search_spaces.decision import Decision
from search_spaces.genotype import Genotype, GenotypeError
from search_spaces.graph import Graph
from search_spaces.space import DecoderSpace, EncoderCut, SpaceError, read_nested

if TYPE_CHECKING:
    from torch import nn

ENCODER, STRIDE, WIDTH = "encoder", "encoder.stride", "decoder.width"
_OWN = (ENCODER, STRIDE, WIDTH)
STRIDES = (4, 8, 16, 32)


class Compact(DecoderSpace):
    """Encoders, cut at several depths, with decoders of several widths.

    Candidates choose a backbone, the stride of the last of its maps, the width of the decoder and
    then everything that a space of decoders lets them choose. What lies behind the last map is no
    part of the network. A decoder that reads a map behind it reads the last one instead, so that
    the same decoder can be tried on every encoder.

    A subclass gives a `name`, `defaults` and, if it likes, `starting`. `Nano`, `Micro` and `Small`
    are named after their size: nine of ten random networks of a new search for eleven classes have
    about the parameters that they tell. The nested form of a genotype is
    `[encoder, stride, width, decoder]`, the decoder in the nested form of its space.

    Args:
        encoders: Names of backbones.
        strides: Strides of the last map, some of 4, 8, 16 and 32. Maps begin at stride 4.
        widths: Widths of the decoder.
        decoder: Space of the decoders: pyramid, fastnas, template, or a registered one with
            `resized`.
        sizes: Its other options, without `width` and `encoder_outputs`; where they are left out,
            the defaults for the decoder in `defaults`, and those of its own space for another one.

    Attributes:
        defaults: The arguments that are left out; a class attribute.
        starting: Those that a new search takes in place of `defaults`, unless it is given another
            `decoder`, or `sizes` that are not of this one; a class attribute.

    Raises:
        SpaceError: If an option has a wrong value.
    """

    defaults: ClassVar[Mapping[str, Any]]
    starting: ClassVar[Mapping[str, Any]] = {}
    chooses_encoder = True

    def __init__(
        self,
        encoders: Sequence[str] | None = None,
        strides: Sequence[int] | None = None,
        widths: Sequence[int] | None = None,
        decoder: str | None = None,
        sizes: Mapping[str, Any] | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "encoders": encoders,
            "strides": strides,
            "widths": widths,
            "decoder": decoder,
            "sizes": sizes,
        }
        taken = {**self.defaults, **{k: v for k, v in given.items() if v is not None}}
        if sizes is None and taken["decoder"] != self.defaults["decoder"]:
            taken["sizes"] = {}
        self.encoders = _several("encoders", taken["encoders"])
        self.strides = _several("strides", taken["strides"])
        self.widths = _several("widths", taken["widths"])
        self.decoder: str = taken["decoder"]
        _check(self.encoders, self.strides, self.widths, taken["sizes"])
        self.sizes = dict(sorted(taken["sizes"].items()))
        self.encoder_strides = STRIDES[: STRIDES.index(max(self.strides)) + 1]
        self._decoders = _decoders(
            self.decoder, self.sizes, max(self.widths), len(self.encoder_strides)
        )
        self.decisions = (
            Decision(ENCODER, self.encoders),
            Decision(STRIDE, self.strides),
            Decision(WIDTH, self.widths),
            *self._decoders.decisions,
        )

    @classmethod
    def starting_options(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `starting`; with decoders of cells, classifiers as auxiliary heads.

        Short trainings of pyramids are faster and better than those of cells, and cells as
        auxiliary heads take longer than classifiers and rank candidates no better; see
        docs/results.md. Where `sizes` says what the decoders are like, they are as told.
        """
        decoder = given.get("decoder", cls._decoder_of(given.get("sizes")))
        if decoder == cls.starting.get("decoder"):
            return {**cls.starting, **given}
        if "sizes" in given or not decoder == cls.defaults["decoder"] == "fastnas":
            return dict(given)
        return {**given, "sizes": {**cls.defaults["sizes"], "auxiliary": "classifier"}}

    @classmethod
    def _decoder_of(cls, sizes: Any) -> str:
        """The decoder that a new search has with these sizes, if it is told no other."""
        started: str | None = cls.starting.get("decoder")
        # What is no mapping is refused where the space is made.
        told = set(sizes) if isinstance(sizes, Mapping) else set()
        if started is not None and told <= _options_of(started):
            return started
        usual: str = cls.defaults["decoder"]
        return usual

    @property
    def cuts(self) -> tuple[EncoderCut, ...]:
        """See `DecoderSpace.cuts`."""
        return tuple(_cut(name, stride) for name in self.encoders for stride in self.strides)

    def cut(self, genotype: Genotype) -> EncoderCut:
        """See `DecoderSpace.cut`."""
        name, stride, _, _ = self._parts(genotype)
        return _cut(name, stride)

    def genotype(self, choices: Mapping[str, int | str]) -> Genotype:
        """The candidate that a complete set of choices, by decision name, describes.

        Raises:
            GenotypeError: If a decision is missing, unknown, or has none of its options.
        """
        missing = [name for name in _OWN if name not in choices]
        if missing:
            raise GenotypeError(f"decision {missing[0]!r} is missing.")
        decoder = {name: option for name, option in choices.items() if name not in _OWN}
        nested = self._decoders.genotype(decoder).value
        return self.parse([*(choices[name] for name in _OWN), nested])

    def parse(self, value: str | Sequence[Any]) -> Genotype:
        """Reads the nested form, as JSON text or as nested lists.

        Raises:
            GenotypeError: If it is incomplete or not of this space; the message says where.
        """
        content = "encoder, stride, width and decoder"
        *own, decoder = read_parts(read_nested(value), 4, "a genotype", content)
        for decision, given in zip(self.decisions, own, strict=False):
            if isinstance(given, bool) or given not in decision.options:
                known = ", ".join(map(str, decision.options))
                raise GenotypeError(
                    f"decision {decision.name!r} has no option {given!r}, only {known}."
                )
        return Genotype(self.name, (*own, self._decoders.parse(decoder).value))

    def canonical_key(self, genotype: Genotype) -> str:
        """The encoder, where it is cut, the width, and the key of the decoder on what is left."""
        space, decoder = self._decoder(genotype)
        return f"{self._about(genotype)} {space.canonical_key(decoder)}"

    def network_key(self, genotype: Genotype) -> str:
        """See `SearchSpace.network_key`."""
        space, decoder = self._decoder(genotype)
        return f"{self._about(genotype)} {space.network_key(decoder)}"

    def graph(self, genotype: Genotype) -> Graph:
        """The graph of the decoder."""
        space, decoder = self._decoder(genotype)
        return space.graph(decoder)

    def build(
        self,
        genotype: Genotype,
        *,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        num_classes: int,
    ) -> nn.Module:
        """Builds the decoder of a candidate for the maps of its `cut`.

        Raises:
            GenotypeError: If the genotype is not of this space.
            SpaceError: If a number does not fit the space.
        """
        space, decoder = self._decoder(genotype)
        return space.build(
            decoder,
            encoder_channels=encoder_channels,
            encoder_strides=encoder_strides,
            num_classes=num_classes,
        )

    def _choices(self, value: Any) -> dict[str, int | str]:
        *own, decoder = value
        inner = self._decoders.choices(Genotype(self._decoders.name, decoder))
        return dict(zip(_OWN, own, strict=True)) | inner

    def _parts(self, genotype: Genotype) -> tuple[str, int, int, Genotype]:
        if genotype.space != self.name:
            raise GenotypeError(f"a genotype of {genotype.space!r} is none of {self.name!r}.")
        given: Any = genotype.value
        checked: Any = self.parse(given).value
        name, stride, width, decoder = checked
        return name, stride, width, Genotype(self._decoders.name, decoder)

    def _decoder(self, genotype: Genotype) -> tuple[DecoderSpace, Genotype]:
        """The decoder alone, and the space of those with its width and its maps."""
        name, stride, width, decoder = self._parts(genotype)
        outputs = len(_cut(name, stride).strides)
        return self._decoders.resized(decoder, width=width, encoder_outputs=outputs)

    def _about(self, genotype: Genotype) -> str:
        name, stride, width, _ = self._parts(genotype)
        # All encoders reach the last of the strides. One that ends within a stride ends there or
        # behind it, so that up to the others it is the whole network.
        if stride < max(self.strides):
            name = _whole(name)
        return f"encoder {name} to {stride} width {width}"


ENCODERS = (
    "lcnet_035",
    "mobilenetv4_conv_small_035",
    "mobilenetv2_035",
    "ghostnet_050",
    "mobilenetv3_small_050",
)
"""The backbones of `Nano`, `Micro` and `Small`, 16 to 280 thousand parameters by their cut."""


class Nano(Compact):
    """Networks of about 8 to 90 thousand parameters; see `Compact`."""

    name = "nano"
    defaults: ClassVar[Mapping[str, Any]] = {
        "encoders": ENCODERS,
        "strides": (8, 16),
        "widths": (8, 12, 16),
        "decoder": "fastnas",
        "sizes": {"branches": 3, "cells": 2},
    }
    starting: ClassVar[Mapping[str, Any]] = {"decoder": "pyramid", "widths": [8, 12, 16, 24, 32]}


class Micro(Compact):
    """Networks of about 12 to 130 thousand parameters; see `Compact`."""

    name = "micro"
    defaults: ClassVar[Mapping[str, Any]] = {
        "encoders": ENCODERS,
        "strides": (8, 16),
        "widths": (12, 16, 24, 32),
        "decoder": "fastnas",
        "sizes": {"branches": 3, "cells": 3},
    }
    starting: ClassVar[Mapping[str, Any]] = {"decoder": "pyramid", "widths": [16, 24, 32, 48, 64]}


class Small(Compact):
    """Networks of about 14 to 350 thousand parameters; see `Compact`."""

    name = "small"
    defaults: ClassVar[Mapping[str, Any]] = {
        "encoders": ENCODERS,
        "strides": (8, 16, 32),
        "widths": (12, 16, 24, 32, 48),
        "decoder": "fastnas",
        "sizes": {"branches": 3, "cells": 3},
    }
    starting: ClassVar[Mapping[str, Any]] = {
        "decoder": "pyramid",
        "widths": [16, 24, 32, 48, 64, 96],
    }


def _cut(name: str, stride: int) -> EncoderCut:
    return EncoderCut(STRIDES[: STRIDES.index(stride) + 1], name)


def _whole(name: str) -> str:
    """The backbone of which an encoder is a part, as `net@4.2` is of `net`."""
    # Behind the mark of a network on a hub, which has a colon, is its revision.
    return name if ":" in name else name.partition("@")[0]


def _several(name: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise SpaceError(f"{name} must be a list of at least one, not {values!r}.")
    if len(set(values)) != len(values):
        raise SpaceError(f"{name} lists one twice: {', '.join(map(str, values))}.")
    return tuple(values)


def _check(
    encoders: Sequence[Any], strides: Sequence[Any], widths: Sequence[Any], sizes: Any
) -> None:
    for encoder in encoders:
        if not isinstance(encoder, str):
            raise SpaceError(f"encoders must be names, not {encoder!r}.")
    for stride in strides:
        if isinstance(stride, bool) or stride not in STRIDES:
            raise SpaceError(
                f"strides must be some of {', '.join(map(str, STRIDES))}, not {stride!r}."
            )
    for width in widths:
        check_whole("every number of widths", width)
    if not isinstance(sizes, Mapping):
        raise SpaceError(f"sizes must be options of the decoder, not {sizes!r}.")
    for option in ("width", "encoder_outputs"):
        if option in sizes:
            raise SpaceError(f"sizes cannot hold {option!r}: widths and strides decide it.")


def _options_of(decoder: str) -> set[str]:
    # The registry knows this module.
    from search_spaces.registry import find

    return set(inspect.signature(find(decoder)).parameters)


def _decoders(
    name: str, sizes: Mapping[str, Any], width: int, encoder_outputs: int
) -> DecoderSpace:
    # What builds the networks of a file is told by its space and its encoder; no code hides here.
    if not isinstance(name, str) or ":" in name:
        raise SpaceError(f"decoder must be the name of a space, not {name!r}.")
    # The registry knows this module.
    from search_spaces.registry import create, find

    space = find(name)
    if not issubclass(space, DecoderSpace) or space.resized is DecoderSpace.resized:
        raise SpaceError(f"decoder must be a space of decoders with 'resized', not {name!r}.")
    created = create(name, **sizes, width=width, encoder_outputs=encoder_outputs)
    assert isinstance(created, DecoderSpace)
    return created
