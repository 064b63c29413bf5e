"""Files of networks with exits."""

from __future__ import annotations

from pathlib import Path as FilePath

from nas import allowed
from nas.errors import UserError
from nas.models.weights import load_tensors, read_described, read_tensors
from nas.mutual_learning.anytime import Anytime, AnytimeModules
from nas.mutual_learning.anytime_description import AnytimeDescription
from nas.mutual_learning.exit_times import machine
from nas.mutual_learning.exits import ExitHead
from nas.mutual_learning.losses import Path, all_paths
from nas.mutual_learning.statistics import expect_statistics
from nas.mutual_learning.students import Students
from nas.settings import validate


def anytime(path: str | FilePath, *, measure: bool | None = None, own: bool = False) -> Anytime:
    """Loads what ``nas export --anytime`` made.

    Args:
        path: The file.
        measure: Whether to measure the times of this machine first; None does so where the file
            was measured on another processor or with another number of threads.
        own: Run the code that the file names to build its networks, although no such network was
            trained on this machine. Only for files of people whom you trust.

    Returns:
        Called with a normalised image and a budget in milliseconds, it answers.

    Raises:
        UserError: If there is no such file, it was not made by this toolkit, or it names code
            without `own`.

    Examples:
        >>> network = nas.anytime("runs/mutual/anytime.safetensors")    # doctest: +SKIP
        >>> answer = network(image, budget=5)                           # doctest: +SKIP
    """
    path = FilePath(path)
    description = read_description(path)
    if not own:
        allowed.require(description.code(), path)
    students = description.networks.build()
    modules = AnytimeModules(students, _untrained_heads(students, description))
    tensors = read_tensors(path, "network")
    expect_statistics(students, tensors, "students.")
    load_tensors(modules, tensors, f"network weights {path}")
    found = Anytime(modules, description)
    if measure or (measure is None and description.times.device != machine()):
        found.measure()
    return found


def read_description(path: FilePath) -> AnytimeDescription:
    """How the networks in a file with exits are built.

    Raises:
        UserError: If there is no such file, or something else made it.
    """
    return validate(AnytimeDescription, read_described(path), str(path))


def allow_anytime(path: FilePath) -> list[str]:
    """Allows the code that a file with exits names, and tells its import paths."""
    names = read_description(path).code()
    allowed.allow(names)
    return names


def head_channels(students: Students) -> dict[Path, int]:
    """Channels that the head of every exit at a cut takes, by what leads there.

    Raises:
        UserError: If a network hands over no maps at a cut.
    """
    found: dict[Path, int] = {}
    for end in range(1, students.parts):
        for path in all_paths(len(students), end):
            (shape,) = students.shapes[path[-1]][end - 1]
            if len(shape) != 3:
                raise UserError(
                    f"exits are for networks of maps; {students.names[path[-1]]} hands over "
                    f"{' x '.join(map(str, shape))} at its cut {end}."
                )
            found[path] = shape[0]
    return found


def _untrained_heads(students: Students, description: AnytimeDescription) -> dict[Path, ExitHead]:
    classes = len(description.networks.classes)
    return {path: ExitHead(count, classes) for path, count in head_channels(students).items()}
