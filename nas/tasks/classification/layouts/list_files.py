"""Lists of images and their classes: CSV, or two columns divided by blanks."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.files import read_text
from nas.tasks.classification.file_source import FileSource
from nas.tasks.classification.layouts.found import Found, photo_size
from nas.tasks.classification.settings import ClassificationSettings, SplitName
from nas.tasks.classification.source import ClassificationSource
from nas.tasks.listing import composed, image_files
from nas.tasks.spelling import hint

_DELIMITERS = (",", "\t", ";")


def recognised(root: Path) -> bool:
    """False: a list is named in a task.yaml."""
    return False


def find(root: Path, settings: ClassificationSettings) -> Found:
    """Reads the lists of `settings.lists`.

    A first line whose image is no file, while that of the second is one, is a header. Names may
    lack the suffix of their file. The classes are those of the train list in the order of their
    names, unless they are given.

    Raises:
        UserError: If a list is missing, empty, or has a line that is not an image and a class.
    """
    if "train" not in settings.lists:
        raise UserError(f"task {settings.name}: layout list needs lists with one for train.")
    folder = settings.place(settings.images, "images", root)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; correct images or root, or give --data.")
    images = _Images(folder, root, settings)
    rows = {
        split: images.labelled(settings.place(path, f"lists.{split}", root), settings)
        for split, path in settings.lists.items()
    }
    classes = tuple(map(composed, settings.classes)) or tuple(
        sorted({label for _, label in rows["train"]})
    )
    problems = [*images.problems, *_strangers(rows, classes, settings)]
    size, crop = photo_size(settings)
    notes = images.notes()
    sources: dict[str, ClassificationSource] = {
        split: FileSource(
            root,
            [name for name, label in found if label in classes],
            np.array([classes.index(label) for _, label in found if label in classes], np.int64),
            size,
            crop,
            settings.reader,
            settings.short_side,
            tuple(problems),
            notes,
        )
        for split, found in rows.items()
    }
    return Found(classes, sources, size, settings.usual_normalisation)


class _Images:
    """The images below a folder, which lists name."""

    def __init__(self, folder: Path, root: Path, settings: ClassificationSettings) -> None:
        self.problems: list[str] = []
        self._folder = folder
        self._root = root
        listing = image_files(folder, settings.reader.suffixes, within=True)
        self._by_name: dict[str, Path] = {}
        for path in listing.files:
            name = path.relative_to(folder)
            self._by_name.setdefault(composed(name.with_suffix("").as_posix()), path)
            self._by_name[composed(name.as_posix())] = path
        self._unused = dict.fromkeys(listing.files)

    def labelled(self, path: Path, settings: ClassificationSettings) -> list[tuple[str, str]]:
        """The images, below the root, and classes of a list."""
        lines = list(_lines(path))
        if (
            lines
            and not self._file(lines[0][1])
            and all(self._file(one) for _, one, _ in lines[1:2])
        ):
            lines = lines[1:]
        if not lines:
            raise UserError(f"{path}: the list names no image.")
        seen: dict[Path, str] = {}
        found = []
        for number, name, label in lines:
            where = f"{path}: line {number}"
            settings.check_inside(name, where, self._folder, self._root)
            file = self._file(name)
            if file is None:
                self.problems.append(f"{where}: no image {name} in {self._folder}.")
            elif file in seen:
                self.problems.append(f"{where}: {name} again, which is {seen[file]} before.")
            else:
                seen[file] = label
                self._unused.pop(file, None)
                # Unlike Path.relative_to it finds the way to another folder too.
                place = Path(os.path.relpath(file, self._root)).as_posix()
                found.append((place, composed(label)))
        return found

    def notes(self) -> tuple[str, ...]:
        """A sentence for images that no list names."""
        left = list(self._unused)
        if not left:
            return ()
        what = "images" if len(left) > 1 else "image"
        return (
            f"{self._folder}: passed over {len(left)} {what} that no list names, for example "
            f"{left[0].relative_to(self._folder)}.",
        )

    def _file(self, name: str) -> Path | None:
        return self._by_name.get(composed(name.replace("\\", "/").removeprefix("./")))


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, image and class of each line that is not empty."""
    text = read_text(path)
    delimiter = next((one for one in _DELIMITERS if one in text.split("\n", 1)[0]), None)
    lines = text.split("\n")
    rows = csv.reader(lines, delimiter=delimiter) if delimiter else (line.split() for line in lines)
    for number, row in enumerate(rows, start=1):
        columns = [column.strip() for column in row]
        if not any(columns):
            continue
        if len(columns) != 2 or not all(columns):
            raise UserError(
                f"{path}: line {number} has {len(columns)} columns; a line is an image and its "
                "class."
            )
        yield number, columns[0], columns[1]


def _strangers(
    rows: dict[SplitName, list[tuple[str, str]]],
    classes: tuple[str, ...],
    settings: ClassificationSettings,
) -> Iterator[str]:
    for split, found in rows.items():
        for label in sorted({label for _, label in found} - set(classes)):
            yield (
                f"{settings.lists[split]}: the class {label!r} is none of train; "
                f"{hint(label, classes)}."
            )
