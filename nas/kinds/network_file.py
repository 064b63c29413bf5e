"""A trained network as one file that says how to build it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SerializeAsAny
from torch import nn

from nas import allowed
from nas.errors import UserError
from nas.kinds.registry import kind_named
from nas.models.network_settings import NetworkSettings
from nas.models.weights import (
    FILE,
    load_tensors,
    network_file,
    read_described,
    read_tensors,
    save_described,
)
from nas.objects import is_object
from nas.settings import Settings, read_yaml, validate
from nas.tasks import Task

__all__ = [
    "FILE",
    "METRICS",
    "NetworkDescription",
    "describe",
    "load",
    "network_path",
    "require_fitting",
    "save_network",
    "seed_folders",
]

METRICS = "metrics.json"
"""Stands beside the weights of a network that was trained without a search."""
FORMER_TEACHER = "teacher.yaml"
"""Stands beside the weights of segmentation networks that older versions trained."""
_OLD = ("space", "space_options", "genotype", "encoder")
_FEED = ("input_size", "mean", "std")


class NetworkDescription(Settings):
    """How to build a network and how to feed it.

    Attributes:
        kind: Of its task.
        network: How it is built; its weights tell where training began.
        classes: Names of the classes, in the order of the logits.
        input_size: Height and width that it was trained at, in pixels.
        mean: Of the normalised channels, red first, for values from 0 to 1.
        std: Likewise.
    """

    kind: str
    network: SerializeAsAny[NetworkSettings]
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, network: NetworkSettings, task: Task) -> NetworkDescription:
        """A network that is trained on a task."""
        return cls(
            kind=task.kind,
            network=network,
            classes=task.classes,
            input_size=task.input_size,
            mean=tuple(task.mean),
            std=tuple(task.std),
        )

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """N x channels x height x width of one image."""
        return (1, len(self.mean), *self.input_size)

    def build(self) -> nn.Module:
        """The network as it is deployed, with random weights."""
        return self.network.build(len(self.classes), self.input_size, len(self.mean))


def seed_folders(run: Path) -> list[Path]:
    """The folders of a run's finished trainings, by seed.

    Raises:
        UserError: If there is none.
    """
    found = {
        int(seed): folder
        for folder in run.glob("seed-*")
        if (seed := folder.name.removeprefix("seed-")).isdecimal() and (folder / FILE).is_file()
    }
    if not found:
        raise UserError(f"{run}: no trained network there; make one with nas train or nas distill.")
    return [found[seed] for seed in sorted(found)]


def network_path(place: str | Path, what: str = "teacher") -> Path:
    """The file of a network.

    Args:
        place: A file, the folder that holds it, or a run, whose training with the best figure on
            the validation split is taken.
        what: It is called in messages.

    Raises:
        UserError: If there is no network.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return path
    if (path / FILE).is_file():
        return path / FILE
    if not path.is_dir():
        raise UserError(f"{what} {path}: no such file or folder; give a run of nas train.")
    return max(seed_folders(path), key=_validation_quality) / FILE


def save_network(network: nn.Module, description: NetworkDescription, path: Path) -> None:
    """Writes a deployed network and its description into one file.

    Args:
        network: What `NetworkDescription.build` makes, with weights.
        description: Of the network. What its settings leave open is written as it was built.
        path: The file.
    """
    settings = description.network.as_built(network)
    allowed.allow(code_named(settings))
    description = description.model_copy(update={"network": settings})
    save_described(network, description.model_dump_json(), path)


def load(path: str | Path, *, own: bool = False) -> nn.Module:
    """Loads a network that ``nas retrain``, ``train`` or ``distill`` made.

    Args:
        path: The file, the folder that holds it as ``model.safetensors``, or the run of a training
            over several seeds, whose best network on the validation split is taken.
        own: Run the code that the file names to build its network (a network or a search space of
            one's own), although no such network was trained on this machine. Only for files of
            people whom you trust.

    Returns:
        The network in evaluation mode. Its input is normalised images N x channels x H x W, its
        output logits: N x classes x H x W for segmentation, N x classes for classification.
        `describe` tells the classes and the normalisation.

    Raises:
        UserError: If there is no such file, it was not made by this toolkit, or it names code
            without `own`.
    """
    path = _file_at(path)
    if own:
        allow_code_of(path)
    return load_described(path, describe(path))


def load_described(path: Path, description: NetworkDescription) -> nn.Module:
    """Loads the network in a file whose description has been read; see `load`."""
    network = description.build()
    load_tensors(network, read_tensors(path, "network"), f"network weights {path}")
    return network.eval()


def describe(path: str | Path, task: Task | None = None) -> NetworkDescription:
    """How the network in a file, or in the folder that holds it, is built and fed.

    Args:
        path: As for `load`.
        task: The data that it was trained on. Only segmentation networks that older versions
            trained need it: their files do not tell the size of their images.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    path = _file_at(path)
    if is_former_teacher(path):
        return _former_teacher(path.parent / FORMER_TEACHER, task)
    values = _described(path)
    network_settings = _settings_in(values, path)
    return validate(NetworkDescription, {**values, "network": network_settings}, str(path))


def is_former_teacher(path: Path) -> bool:
    """Whether a file holds a segmentation network whose description lies beside it."""
    return (path.parent / FORMER_TEACHER).is_file()


def require_fitting(description: NetworkDescription, task: Task, path: Path) -> None:
    """Refuses a network that was made for other data.

    Raises:
        UserError: One sentence that says what differs.
    """
    require_kind(description, task, path)
    if tuple(description.classes) != tuple(task.classes):
        raise UserError(
            f"{path}: its {len(description.classes)} classes are not the {len(task.classes)} of "
            f"task {task.name!r}; use a network that was trained for this task."
        )
    for key in _FEED:
        theirs, ours = tuple(getattr(description, key)), tuple(getattr(task, key))
        if len(theirs) != len(ours) or any(
            abs(a - b) > 1e-6 for a, b in zip(theirs, ours, strict=True)
        ):
            raise UserError(
                f"{path}: it was trained with {key} {list(theirs)}, and task {task.name!r} has "
                f"{list(ours)}; load the task with the options that it was trained with."
            )


def require_kind(description: NetworkDescription, task: Task, path: Path) -> None:
    """Refuses a network for another kind of task.

    Raises:
        UserError: If it is one.
    """
    if description.kind != task.kind:
        raise UserError(
            f"{path}: it is a network for {description.kind}, and task {task.name!r} is one of "
            f"{task.kind}."
        )


def _validation_quality(folder: Path) -> float:
    """The first figure of a training, the larger the better."""
    record = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    kind = kind_named(describe(folder / FILE).kind)
    figure = float(record["validation"][kind.figures[0]])
    return -figure if kind.first_figure_is_an_error else figure


def _file_at(place: str | Path) -> Path:
    """The file itself, that of its folder, or that of the best seed of a run."""
    path = Path(place)
    if path.is_dir() and not (path / FILE).is_file() and any(path.glob("seed-*")):
        return network_path(path)
    return network_file(path)


def _settings_in(values: dict[str, Any], path: Path) -> NetworkSettings:
    found = _unchecked_settings_in(values, path)
    allowed.require(code_named(found), path)
    return found


def _unchecked_settings_in(values: dict[str, Any], path: Path) -> NetworkSettings:
    kind = kind_named(str(values.get("kind")))
    found = values.get("network")
    searched = isinstance(found, dict) and "genotype" in found
    return validate(kind.searched_settings if searched else kind.model_settings, found, str(path))


def code_named(network: NetworkSettings) -> list[str]:
    """Import paths, and places outside timm, that are needed to build a network."""
    found = network.model_dump()
    names = [found.get("name"), found.get("space"), (found.get("encoder") or {}).get("name")]
    # The name of an object leads to nothing but what this process was given.
    return [name for name in names if name and ":" in name and not is_object(name)]


def allow_code_of(path: Path) -> list[str]:
    """Allows the code that a network file names, and tells its import paths.

    Raises:
        UserError: If there is no such file or it was not made by this toolkit.
    """
    values = _described(path)
    names = code_named(_unchecked_settings_in(values, path))
    allowed.allow(names)
    return names


def _described(path: Path) -> dict[str, Any]:
    values = read_described(path)
    if "kind" in values:
        return values
    # Older files of searched segmentation networks.
    network = {key: values.pop(key) for key in _OLD if key in values}
    return {"kind": "segmentation", "network": network, **values}


def _former_teacher(path: Path, task: Task | None) -> NetworkDescription:
    record = read_yaml(path)
    if task is None:
        raise UserError(
            f"{path.parent}: this network does not tell the size of its images; give --task, the "
            "segmentation task that it was trained on."
        )
    if record.get("classes") != list(task.classes):
        raise UserError(
            f"{path.parent}: it was trained on other classes than those of task {task.name!r}."
        )
    teacher = record["teacher"]
    settings = {**teacher["encoder"], "strides": teacher["strides"]}
    kind = kind_named("segmentation")
    return NetworkDescription.of(validate(kind.model_settings, settings, str(path)), task)
