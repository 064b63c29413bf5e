"""Teachers in files that do not say how their network is built, such as timm's checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import nn

from nas import vision_libraries
from nas.errors import UserError
from nas.kinds.feeding import Feed
from nas.models import small_images
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.models.weights import read_tensors
from nas.settings import Settings
from nas.tasks import Task


class TeacherModel(Settings):
    """The network whose weights a file holds.

    Attributes:
        name: A timm model, or one of `nas.models.classifiers.classifier_names`.
        options: Further arguments of ``timm.create_model``.
        stem: See `ClassifierSettings`.
        classifier: Path of its last layer, whose weight tells the number of classes; that of timm
            unless given.
        input_size: Height and width of the images that it was trained on, in pixels; those of
            timm's pretrained weights unless given, and the task's where timm knows none.
        mean: Of the channels of these images, in 0 to 1, likewise.
        std: Their standard deviation, likewise.
    """

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    stem: Literal["auto", "standard", "small"] = "auto"
    classifier: str | None = None
    input_size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def feed(self, task: Task) -> Feed:
        """How the network wants its images."""
        known = self._known_to_timm
        usual = Feed.of(task)
        if known is not None:
            usual = Feed(tuple(known.input_size[1:]), tuple(known.mean), tuple(known.std))
        return Feed(
            self.input_size or usual.input_size, self.mean or usual.mean, self.std or usual.std
        )

    def load(self, path: Path, task: Task) -> tuple[nn.Module, int]:
        """The network with the weights of a file, and its number of classes.

        Raises:
            UserError: If there is no such network, the file cannot be read, or they do not belong
                together.
        """
        count = self._classes_in(path)
        feed = self.feed(task)
        settings = ClassifierSettings(
            name=self.name, weights=str(path), options=self.options, stem=self.stem
        )
        return create_classifier(settings, count, feed.input_size, len(feed.mean)), count

    @property
    def _known_to_timm(self) -> Any:
        # Networks of the house have the names of some of timm's.
        if ":" in self.name or small_images.canonical_name(self.name):
            return None
        return vision_libraries.timm.get_pretrained_cfg(self.name)

    def _classes_in(self, path: Path) -> int:
        found = read_tensors(path, "teacher")
        known = self._known_to_timm
        usual = known.classifier if known is not None else "classifier"
        heads = self.classifier or usual
        # Some have two, for distillation.
        head = heads if isinstance(heads, str) else heads[0]
        weight = found.get(f"{head}.weight")
        if weight is None:
            raise UserError(
                f"teacher weights {path}: no {head!r}, the last layer of {self.name!r} that tells "
                "the number of classes; name another in the teacher's model as classifier."
            )
        return int(weight.shape[0])
