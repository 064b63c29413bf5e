"""The networks of one training in one file, which says how to build them."""

from __future__ import annotations

from pathlib import Path as FilePath

from nas import allowed
from nas.models.classifiers import ClassifierSettings
from nas.models.weights import load_tensors, read_described, read_tensors, save_described
from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.splitting import split
from nas.mutual_learning.students import Students
from nas.settings import Settings, validate
from nas.tasks import ClassificationTask

FILE = "networks.safetensors"


class CutNetwork(Settings):
    """How a network is built and cut.

    Attributes:
        name: What paths call it.
        model: How it is built.
        cut: Modules after which it is cut.
    """

    name: str
    model: ClassifierSettings
    cut: tuple[str, ...]


class StudentsDescription(Settings):
    """How networks that learned together are built and fed.

    Attributes:
        networks: Each of them, in order.
        classes: Names of the classes, in the order of the logits.
        input_size: Height and width that they were trained at, in pixels.
        mean: Of the normalised channels, for values from 0 to 1.
        std: Likewise.
        adapted: Whether adapters join parts of unequal width.
    """

    networks: tuple[CutNetwork, ...]
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    adapted: bool = False

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """N x channels x height x width of one image."""
        return (1, len(self.mean), *self.input_size)

    def build(self) -> Students:
        """The networks with random weights."""
        networks = {}
        for one in self.networks:
            built = one.model.build(len(self.classes), self.input_size, len(self.mean))
            networks[one.name] = split(built, one.cut, one.name)
        return Students(networks, self.input_shape, self.adapted)


def describe_students(
    students: Students, config: MutualConfig, task: ClassificationTask
) -> StudentsDescription:
    """The description of the networks of a run."""
    named = zip(config.names, config.students, strict=True)
    return StudentsDescription(
        networks=tuple(
            CutNetwork(
                name=name,
                model=student.model.as_built(students.student(number).network),
                cut=config.cut_of(student),
            )
            for number, (name, student) in enumerate(named)
        ),
        classes=task.classes,
        input_size=task.input_size,
        mean=tuple(task.mean),
        std=tuple(task.std),
        adapted=config.adapters is not None,
    )


def save_students(students: Students, description: StudentsDescription, path: FilePath) -> None:
    """Writes the weights of all networks and their description into one safetensors file."""
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
    description = validate(StudentsDescription, values, str(path))
    students = description.build()
    load_tensors(students, read_tensors(path, "network"), f"network weights {path}")
    return students.eval(), description
