"""An anti-spoofing task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nas.errors import UserError
from nas.tasks.antispoofing.augment import FaceAugment
from nas.tasks.antispoofing.augmentation import FaceAugmentationSettings
from nas.tasks.antispoofing.dataset import FaceDataset
from nas.tasks.antispoofing.source import FaceSource
from nas.tasks.check_report import CheckReport
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.tasks.classification.task import ClassificationTask
from nas.tasks.inputs import channel_range
from nas.tasks.spelling import hint


@dataclass(frozen=True)
class AntiSpoofingTask(ClassificationTask):
    """Faces that are live or attacks; their inputs are registered modalities.

    Attributes:
        missing: Inputs that are taken away from every face.
        fill: Value of the pixels of an input that is not there, from 0 to 255.
        calibration: The data whose validation split gives the threshold of a network that was
            trained on other data than this; None takes it from this validation split.
    """

    kind: ClassVar[str] = "antispoofing"

    sources: Mapping[str, FaceSource] = field(repr=False)
    missing: tuple[str, ...] = ()
    fill: int = 0
    calibration: AntiSpoofingTask | None = field(default=None, repr=False)

    def dataset(self, split: str) -> FaceDataset:
        blank = [channel_range(self.inputs, name) for name in self.missing]
        return FaceDataset(self._source(self.sources, split), blank, self.fill)

    def without(self, names: Sequence[str]) -> AntiSpoofingTask:
        """The task with some inputs taken away from every face; the normalisation stays.

        Raises:
            UserError: If there is no such input, one is named twice, or none would be left.
        """
        for name in names:
            if name not in self.inputs:
                raise UserError(f"task {self.name}: no input {name!r}; {hint(name, self.inputs)}")
        if len(set(names)) < len(names):
            raise UserError(f"missing: {list(names)} must name each input once.")
        if len(names) == len(self.inputs):
            raise UserError("missing: at least one input has to be left.")
        return replace(
            self,
            missing=tuple(names),
            normalisation=(self.mean, self.std),
            calibration=self.calibration and self.calibration.without(names),
        )

    def calibrated_on(self, home: AntiSpoofingTask) -> AntiSpoofingTask:
        """The task with the threshold of other data, which its networks were trained on."""
        return replace(self, calibration=home)

    def augmentation(self, settings: AugmentationSettings) -> FaceAugment:
        assert isinstance(settings, FaceAugmentationSettings)  # what the kind's settings hold
        return FaceAugment(settings, self.input_size, self.inputs)

    def check(self) -> CheckReport[Any]:
        # The check knows what a task is.
        from nas.tasks.antispoofing.data_check import check_antispoofing

        return check_antispoofing(self)

    def _meaning(self) -> tuple[Any, ...]:
        return (*super()._meaning(), self.missing, self.fill)
