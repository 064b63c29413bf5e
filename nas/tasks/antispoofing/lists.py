"""Reads the list of the faces of a split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import UserError
from nas.files import read_text
from nas.tasks.antispoofing.settings import ATTACK_TYPE, LABEL, SUBJECT, AntiSpoofingSettings
from nas.tasks.antispoofing.source import LIVE, UNKNOWN

_LABELS = {"0": 0, "1": 1}


@dataclass(frozen=True)
class Face:
    """A line of a list.

    Attributes:
        files: The file of each modality below the root, in order; None where it is missing.
        label: 1 for a live face, 0 for an attack.
        attack: Type of attack; empty for a live face and where the list does not tell.
        subject: Whose face; empty where the list does not tell.
    """

    files: tuple[str | None, ...]
    label: int
    attack: str = UNKNOWN
    subject: str = UNKNOWN


def read_list(path: Path, root: Path, settings: AntiSpoofingSettings) -> list[Face]:
    """Reads a list; empty lines are passed over.

    Args:
        path: The list.
        root: Folder that the files start from.
        settings: Of the task.

    Raises:
        UserError: If the file cannot be read or is empty, or a line is wrong.
    """
    faces = [
        _face(line.split(), root, settings, f"{path}: line {number}")
        for number, line in enumerate(read_text(path).split("\n"), start=1)
        if line.strip()
    ]
    if not faces:
        raise UserError(f"{path}: the list has no line.")
    return faces


def _face(fields: list[str], root: Path, settings: AntiSpoofingSettings, where: str) -> Face:
    names = settings.fields
    if len(fields) != len(names):
        raise UserError(
            f"{where} has {len(fields)} fields, and {', '.join(names)} are {len(names)}; correct "
            "the line, or columns in the task."
        )
    values = dict(zip(names, fields, strict=True))
    if values[LABEL] not in _LABELS:
        raise UserError(
            f"{where} has the label {values[LABEL]!r}; a label is 1 for a live face or 0 for an "
            "attack."
        )
    files = tuple(
        None if values[name] == settings.absent else values[name] for name in settings.modalities
    )
    for name in filter(None, files):
        settings.check_inside(name, where, root)
    if not any(files):
        raise UserError(f"{where} has no file of any modality; remove it.")
    label = _LABELS[values[LABEL]]
    attack = UNKNOWN if label == LIVE else values.get(ATTACK_TYPE, UNKNOWN)
    return Face(files, label, attack, values.get(SUBJECT, UNKNOWN))
