"""The contents of a task.yaml of kind classification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.settings import Settings
from nas.tasks.settings import ImageSettings, with_text

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
HeldOut = Share | Count
SplitName = Literal["train", "validation", "test"]


class DrawSettings(Settings):
    """Which images are held out of train, and how many of each split are used.

    Every choice is made at random within each class, so that a split has the classes in the
    proportions of the images that it is drawn from.

    Attributes:
        validation_share: Share, or number, of the images for training that is held out for
            validation, if the data have no such split; a tenth unless given.
        test_share: The same for test.
        seed: Decides every choice.
        train: Number of images drawn from the split; all unless given.
        validation: Number of images drawn from the split; all unless given.
        test: Number of images drawn from the split; all unless given.
    """

    validation_share: HeldOut | None = None
    test_share: HeldOut | None = None
    seed: int = Field(default=0, ge=0)
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        shares = (self.share(split) for split in ("validation", "test"))
        if sum(share for share in shares if share < 1) >= 1:
            raise ValueError("validation_share and test_share hold out all of train; lower them")
        return self

    def share(self, split: str) -> float | int:
        """Share of train, or number of its images, that is held out for a split."""
        share: float | int | None = getattr(self, f"{split}_share")
        return 0.1 if share is None else share

    def count(self, split: str) -> int | None:
        """Number of images drawn from a split, None for all."""
        count: int | None = getattr(self, split)
        return count


class ClassSettings(ImageSettings, DrawSettings):
    """What the classes of whole images mean.

    Attributes:
        classes: Names in the order of the labels.
        reward_classes: Classes whose quality counts; all unless given.
        input_size: Height and width of the images in pixels.
        mirror: Whether an image may be mirrored, by augmentation and when it is scored in several
            views; false for letters and other things that have a side.
    """

    classes: tuple[str, ...] = ()
    reward_classes: tuple[str, ...] = ()
    input_size: tuple[int, int] | None = None
    mirror: bool = True

    @field_validator("classes", "reward_classes", mode="before")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            with_text(value)
        return value

    @field_validator("classes", "reward_classes")
    @classmethod
    def _check_unique(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for name in value if value.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the class {twice!r} occurs twice; name each class once")
        return value

    @field_validator("input_size")
    @classmethod
    def _check_size(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and min(value) < 8:
            raise ValueError("height and width must be at least 8 pixels")
        return value


class ClassificationSettings(ClassSettings):
    """A classification task on files.

    The classes of image_folder are those of the folders to use, in order. Images are brought to
    `input_size`; the stored size for idx and 224x224 for the others unless given.

    Attributes:
        root: Folder of the data; relative to the task.yaml.
        layout: How the files tell the classes; "auto" looks for one of the first three.
        lists: For list: the file of each split, each line an image and its class.
        images: For list: folder that the names in the lists start from; `root` unless given.
        centre_crop: Share of an image's short side that is kept when it is brought to
            `input_size`, for image_folder and cub; 0.875 unless given.
        short_side: Length in pixels at which the short side of the photos of image_folder and cub
            is kept, beside their images of `input_size`, for crop "random" and for ten crops up to
            their borders; none are kept unless given.
        pooled: Whether the published splits of cub are pooled and dealt anew.
    """

    root: Path = Path()
    layout: Literal["auto", "image_folder", "cub", "idx", "class_folders", "list"] = "auto"
    lists: dict[SplitName, Path] = Field(default_factory=dict)
    images: Path | None = None
    centre_crop: float | None = Field(default=None, gt=0, le=1)
    short_side: Count | None = None
    pooled: bool = False
