"""Where the faces of one split come from."""

from __future__ import annotations

from nas.tasks.classification.source import ClassificationSource

ATTACK, LIVE = 0, 1
CLASSES = ("attack", "live")
"""Names of the labels 0 and 1."""

UNKNOWN = ""
"""The type of attack of a live face, and of an attack that is not told; likewise a subject."""


class FaceSource(ClassificationSource):
    """An image source whose classes are `CLASSES`; the modalities of a face are its channels.

    Attributes:
        attacks: Type of attack of each face, or `UNKNOWN`.
        subjects: Subject of each face, or `UNKNOWN`.
        absent: Names of the modalities that each face was not taken with.
    """

    attacks: tuple[str, ...]
    subjects: tuple[str, ...]
    absent: tuple[tuple[str, ...], ...]
