"""Reads the list of the faces of a split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import UserError
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


def read_list(path: Path, settings: AntiSpoofingSettings) -> list[Face]:
    """Reads a list; empty lines are passed over.

    Raises:
        UserError: If the file cannot be read or is empty, or a line is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file ({error}).") from error
    faces = [
        _face(line.split(), settings, f"{path}: line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not faces:
        raise UserError(f"{path}: the list has no line.")
    return faces


def _face(fields: list[str], settings: AntiSpoofingSettings, where: str) -> Face:
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
    if not any(files):
        raise UserError(f"{where} has no file of any modality; remove it.")
    label = _LABELS[values[LABEL]]
    attack = UNKNOWN if label == LIVE else values.get(ATTACK_TYPE, UNKNOWN)
    return Face(files, label, attack, values.get(SUBJECT, UNKNOWN))
