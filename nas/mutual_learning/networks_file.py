"""The networks of one training in one file, which says how to build them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path as FilePath
from typing import Any, Literal

from nas import allowed
from nas.models.classifiers import ClassifierSettings
from nas.models.encoder import NONE
from nas.models.segmenters import SegmenterSettings
from nas.models.weights import load_tensors, read_described, read_tensors, save_described
from nas.mutual_learning.splitting import split, split_encoder
from nas.mutual_learning.statistics import expect_statistics
from nas.mutual_learning.students import Students, under_one_decoder
from nas.settings import Settings, validate

FILE = "networks.safetensors"


class CutNetwork(Settings):
    """How a network is built and cut; the base of what each kind tells.

    Attributes:
        name: What paths call it.
        model: How it is built.
        cut: Modules after which it is cut; of an encoder, those of its backbone.
    """

    name: str
    model: Any
    cut: tuple[str, ...]


class CutClassifier(CutNetwork):
    """How a classifier is built and cut."""

    model: ClassifierSettings


class CutEncoder(CutNetwork):
    """How an encoder is built and cut."""

    model: SegmenterSettings


class StudentsDescription(Settings, ABC):
    """How networks that learned together are built and fed; the base of what each kind tells.

    Attributes:
        networks: Each of them, in order.
        classes: Names of the classes, in the order of the logits.
        input_size: Height and width that they were trained at, in pixels.
        mean: Of the normalised channels, for values from 0 to 1.
        std: Likewise.
    """

    networks: tuple[CutNetwork, ...]
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """N x channels x height x width of one image."""
        return (1, len(self.mean), *self.input_size)

    @abstractmethod
    def build(self) -> Students:
        """The networks with random weights."""


class ClassifiersDescription(StudentsDescription):
    """How classifiers that learned together are built and fed.

    Attributes:
        adapted: Whether adapters join parts of unequal width.
    """

    networks: tuple[CutClassifier, ...]
    adapted: bool = False

    def build(self) -> Students:
        networks = {}
        for one in self.networks:
            built = one.model.build(len(self.classes), self.input_size, len(self.mean))
            networks[one.name] = split(built, one.cut, one.name)
        return Students(networks, self.input_shape, self.adapted)


class EncodersDescription(StudentsDescription):
    """How encoders that learned together under one decoder are built and fed.

    Attributes:
        kind: Tells it from a description of classifiers.
    """

    kind: Literal["segmentation"] = "segmentation"
    networks: tuple[CutEncoder, ...]

    def build(self) -> Students:
        encoders = {}
        for one in self.networks:
            model = one.model.model_copy(update={"weights": NONE})
            encoders[one.name] = split_encoder(model.encoder(len(self.mean)), one.cut, one.name)
        return under_one_decoder(encoders, len(self.classes), self.input_shape)


def save_students(students: Students, description: StudentsDescription, path: FilePath) -> None:
    """Writes weights, statistics and the description of all networks into one safetensors file."""
    allowed.allow(allowed.code_in(description.model_dump(mode="json")))
    save_described(students, description.model_dump_json(), path)


def load_students(path: FilePath) -> tuple[Students, StudentsDescription]:
    """Reads what `save_students` wrote.

    Returns:
        The networks in evaluation mode, and their description.

    Raises:
        UserError: If there is no such file, something else made it, or it names code that the user
            never used on this machine.
    """
    values = read_described(path)
    allowed.require(allowed.code_in(values), path)
    description: StudentsDescription
    if values.get("kind") == "segmentation":
        description = validate(EncodersDescription, values, str(path))
    else:
        description = validate(ClassifiersDescription, values, str(path))
    students = description.build()
    tensors = read_tensors(path, "network")
    expect_statistics(students, tensors)
    load_tensors(students, tensors, f"network weights {path}")
    return students.eval(), description
