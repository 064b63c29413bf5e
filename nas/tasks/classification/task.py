"""A classification task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nas.tasks.check_report import CheckReport
from nas.tasks.classification.augment import Augment
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.tasks.classification.dataset import ClassificationDataset
from nas.tasks.classification.source import ClassificationSource
from nas.tasks.task import Task


@dataclass(frozen=True)
class ClassificationTask(Task):
    """Images of one class each.

    Attributes:
        mirror: Whether an image may be mirrored.
    """

    kind: ClassVar[str] = "classification"

    sources: Mapping[str, ClassificationSource] = field(repr=False)
    mirror: bool = True

    def dataset(self, split: str) -> ClassificationDataset:
        return ClassificationDataset(self._source(self.sources, split))

    def augmentation(self, settings: AugmentationSettings) -> Augment:
        """The augmentation of these settings, for images of this task.

        Raises:
            UserError: If a setting does not fit the size or the channels of the images.
        """
        has_photos = settings.crop == "random" and self.dataset("train").has_photos
        return Augment(settings, self.input_size, self.channels, has_photos, self.mirror)

    def check(self) -> CheckReport[Any]:
        # The check knows what a task is.
        from nas.tasks.classification.data_check import check_classification

        return check_classification(self)

    def _meaning(self) -> tuple[Any, ...]:
        # Tasks have the key that they had before mirroring could be switched off.
        still = () if self.mirror else ("not mirrored",)
        return (self.kind, self.classes, self.input_size, self.mean, self.std, *still)
