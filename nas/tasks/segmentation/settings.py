"""The contents of a task.yaml of kind segmentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.settings import Settings
from nas.tasks.segmentation.source import SegmentationSource
from nas.tasks.segmentation.task import SegmentationTask
from nas.tasks.settings import ImageSettings, with_text
from nas.tasks.spelling import hint

_RANGE = re.compile(r"(\d*\.?\d*):(\d*\.?\d*)")

# Marks pixels of no class, in files and in memory, unless something else does.
_UNUSUAL = 255

GroupMember = str | tuple[str, ...]
FormatName = Literal["index", "colours", "class_files", "coco", "labelme", "cityscapes"]
Colour = tuple[int, int, int]

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


class SplitSettings(Settings):
    """Which files belong to a split: exactly one of four ways.

    Attributes:
        images: Folder of the split's images; `masks` goes with it.
        masks: Folder of the split's masks.
        names: Text file with one file name per line, with or without suffix; or with an image and
            its mask.
        range: Part of the sorted names, `0:70` in files or `0.0:0.7` as shares; either end may
            be left out.
        held_out: Share of the training split's files that is taken from it at random.
        seed: Seed of that choice, 0 unless given.
    """

    images: Path | None = None
    masks: Path | None = None
    names: Path | None = None
    range: str | None = None
    held_out: float | None = Field(default=None, gt=0, lt=1)
    seed: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"range": value} if _RANGE.fullmatch(value) else {"names": value}
        if isinstance(value, (int, float)):
            # YAML 1.1 reads 10:50 as the number 650.
            raise ValueError(f"{value} is a number; write a range in quotes, such as '0:70'")
        return value

    @field_validator("range")
    @classmethod
    def _check_range(cls, value: str | None) -> str | None:
        if value is None:
            return None
        match = _RANGE.fullmatch(value)
        if not match:
            raise ValueError(f"{value!r} is not a range such as '0:70' or '0.0:0.7'")
        ends = [float(end) for end in match.groups() if end not in ("", ".")]
        if "." in value and any(end > 1 for end in ends):
            raise ValueError(f"{value!r}: a share is at most 1.0")
        if len(ends) == 2 and ends[0] >= ends[1]:
            raise ValueError(f"{value!r} is empty; the second number must be the larger one")
        return value

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        if (self.images is None) != (self.masks is None):
            raise ValueError("images and masks go together; give both folders")
        ways = (self.images, self.names, self.range, self.held_out)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give exactly one of: images with masks, names, range, held_out")
        if self.seed is not None and self.held_out is None:
            raise ValueError("seed belongs to held_out; remove one or add the other")
        return self

    def bounds(self, count: int) -> slice:
        """The part of `count` sorted names that `range` selects."""
        start, stop = (self.range or ":").split(":")
        scale = count if "." in start + stop else 1
        return slice(
            round(float(start) * scale) if start else 0,
            round(float(stop) * scale) if stop else count,
        )


class SplitsSettings(Settings):
    """The three splits. What is not given is held out from train: a tenth of its files each."""

    train: SplitSettings = SplitSettings(range=":")
    validation: SplitSettings = SplitSettings(held_out=0.1)
    test: SplitSettings = SplitSettings(held_out=0.1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train.held_out is not None:
            raise ValueError("train: held_out takes files from train; give train its own files")
        shares = (self.validation.held_out or 0) + (self.test.held_out or 0)
        if shares >= 1:
            raise ValueError("validation and test hold out all of train; lower held_out")
        return self


class MaskSettings(ImageSettings):
    """What the values of masks mean.

    Attributes:
        classes: Names in the order of the mask values 0, 1, ..., or a mapping of value to name.
        ignore_index: Mask value of pixels that belong to no class; 255 unless given, where that is
            no class.
        pairs: Classes that a mirrored image swaps, such as left_eye and right_eye.
        reward_classes: Classes whose quality a search maximises; all unless given.
        groups: Named groups for grouped scores; a member is a class, or a list of classes that
            count as one.
        input_size: Height and width of the images in pixels.
    """

    classes: dict[int, str]
    ignore_index: int | None = Field(default=None, ge=0, le=255)
    pairs: tuple[tuple[str, str], ...] = ()
    reward_classes: tuple[str, ...] = ()
    groups: dict[str, tuple[GroupMember, ...]] = Field(default_factory=dict)
    input_size: tuple[int, int]

    @field_validator("classes", mode="before")
    @classmethod
    def _number_classes(cls, value: Any) -> Any:
        named = dict(enumerate(value)) if isinstance(value, (list, tuple)) else value
        if not isinstance(named, dict):
            raise ValueError("give a list of names, or a mapping of mask values to names")
        with_text(named.values())
        return named

    @field_validator("reward_classes", mode="before")
    @classmethod
    def _name_reward_classes(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            with_text(value)
        return value

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, value: dict[int, str]) -> dict[int, str]:
        if len(value) < 2:
            raise ValueError("a task needs at least two classes")
        if len(value) > _UNUSUAL:
            raise ValueError("a task has at most 255 classes")
        if not all(0 <= index <= 255 for index in value):
            raise ValueError("mask values lie in 0 to 255")
        names = list(value.values())
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the class {twice!r} occurs twice; every name must be unique")
        return dict(sorted(value.items()))

    @property
    def ignored(self) -> int | None:
        """Mask value of pixels that belong to no class, or None where every value is a class."""
        if self.ignore_index is not None:
            return self.ignore_index
        return None if _UNUSUAL in self.classes else _UNUSUAL

    @field_validator("input_size")
    @classmethod
    def _check_size(cls, value: tuple[int, int]) -> tuple[int, int]:
        if min(value) < 32:
            raise ValueError("height and width must be at least 32 pixels")
        return value

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.ignore_index is not None and self.ignore_index in self.classes:
            name = self.classes[self.ignore_index]
            raise ValueError(
                f"ignore_index {self.ignore_index} is the value of the class {name!r}; take the "
                "class out, or choose another value"
            )
        for pair in self.pairs:
            self._require(pair, "pairs")
        paired = [name for pair in self.pairs for name in pair]
        if len(set(paired)) != len(paired):
            raise ValueError("pairs: a class occurs in two pairs; name each class once")
        self._require(self.reward_classes, "reward_classes")
        if len(set(self.reward_classes)) != len(self.reward_classes):
            raise ValueError("reward_classes: a class occurs twice; name each class once")
        for group, members in self.groups.items():
            for member in members:
                self._require((member,) if isinstance(member, str) else member, f"groups.{group}")
        return self

    def task(
        self, sources: Mapping[str, SegmentationSource], ignore_index: int
    ) -> SegmentationTask:
        """The task on these sources.

        Args:
            sources: The images of each split. In their masks the classes are numbered from 0.
            ignore_index: Value in these masks of pixels that belong to no class.
        """
        names = tuple(self.classes.values())
        return SegmentationTask(
            name=self.name,
            classes=names,
            input_size=self.input_size,
            sources=sources,
            reward_classes=self.reward_classes,
            ignore_index=ignore_index,
            pairs=tuple((names.index(first), names.index(second)) for first, second in self.pairs),
            groups={
                group: [member if isinstance(member, str) else list(member) for member in members]
                for group, members in self.groups.items()
            },
            inputs=self.inputs,
            normalisation=self.given_normalisation or self.usual_normalisation,
        )

    def _require(self, names: tuple[str, ...], key: str) -> None:
        known = list(self.classes.values())
        for name in names:
            if name not in known:
                raise ValueError(f"{key}: unknown class {name!r}; {hint(name, known)}")


class SegmentationSettings(MaskSettings):
    """A segmentation task on files; images are resized to `input_size`.

    Attributes:
        root: Folder that every other path starts from; relative to the task.yaml.
        images: Folder of all images, for splits by name or by range.
        masks: Folder of all masks, or the file that tells them for coco.
        splits: Which files are learned from, guide the search, and are tested on.
        format: How masks are stored; see `nas.tasks.segmentation.formats`.
        colours: The colour, or the colours, of each class in masks of the format colours, as
            ``"#804080"`` or ``[128, 64, 128]``.
        ignored_labels: Labels, other than the classes, whose pixels belong to no class, in formats
            that name classes.
    """

    root: Path = Path()
    images: Path | None = None
    masks: Path | None = None
    splits: SplitsSettings = SplitsSettings()
    format: FormatName = "index"
    colours: dict[str, tuple[Colour, ...]] = Field(default_factory=dict)
    ignored_labels: tuple[str, ...] = ()

    @field_validator("colours", mode="before")
    @classmethod
    def _read_colours(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("give a mapping of classes to colours")
        with_text(value)
        return {name: _colours(name, colours) for name, colours in value.items()}

    @field_validator("ignored_labels", mode="before")
    @classmethod
    def _name_ignored(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            with_text(value)
        return value

    @property
    def ignored_value(self) -> int:
        """Value of pixels of no class in formats that name classes, which take no values."""
        return _UNUSUAL

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if self.format == "index":
            for key in ("colours", "ignored_labels"):
                if getattr(self, key):
                    raise ValueError(f"{key} belongs to another format of masks; give format")
            return self
        if list(self.classes) != list(range(len(self.classes))):
            raise ValueError(f"classes of the format {self.format} are a list of names")
        if self.ignore_index is not None:
            raise ValueError(f"ignore_index belongs to the format index, not to {self.format}")
        both = next((name for name in self.ignored_labels if name in self.classes.values()), None)
        if both is not None:
            raise ValueError(f"ignored_labels: {both!r} is a class; remove it from one of them")
        if (self.format == "colours") != bool(self.colours):
            raise ValueError("colours and the format colours go together; give both or none")
        if self.colours:
            self._check_colours()
        return self

    def _check_colours(self) -> None:
        known = [*self.classes.values(), *self.ignored_labels]
        for name in known:
            if name not in self.colours:
                raise ValueError(f"colours: {name!r} has none; give it one")
        for name in self.colours:
            if name not in known:
                raise ValueError(
                    f"colours: {name!r} is no class; add it to classes, or to ignored_labels"
                )
        owners: dict[Colour, str] = {}
        for name, colours in self.colours.items():
            for colour in colours:
                if owners.setdefault(colour, name) != name:
                    raise ValueError(f"colours: {owners[colour]!r} and {name!r} share a colour")

    @model_validator(mode="after")
    def _check_folders(self) -> Self:
        if (self.images is None) != (self.masks is None):
            raise ValueError("images and masks go together; give both folders")
        for name in ("train", "validation", "test"):
            split: SplitSettings = getattr(self.splits, name)
            if self.images is None and split.images is None and split.held_out is None:
                raise ValueError(
                    f"splits.{name} selects among common folders; give images and masks, or give "
                    f"them for the split"
                )
        return self


def _colours(name: str, value: Any) -> tuple[Colour, ...]:
    """The colours that a task.yaml gives a class: one, or a list of them."""
    several = isinstance(value, (list, tuple)) and not all(isinstance(one, int) for one in value)
    return tuple(_colour(name, one) for one in (value if several else (value,)))


def _colour(name: str, value: Any) -> Colour:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:], 16)
    parts = tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(parts) == 3 and all(isinstance(part, int) and 0 <= part <= 255 for part in parts):
        return parts[0], parts[1], parts[2]
    raise ValueError(
        f"{name!r} has {value!r}; write a colour as '#804080', in quotes, or as [128, 64, 128]"
    )
