"""Finds image files in folders, and tells what it passes over."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

# What systems and tools put beside images: names of folders, in lower case. Hidden ones, such as
# .ipynb_checkpoints and .Trash, begin with a dot.
_SYSTEM = frozenset(
    {
        "__macosx",
        "@eadir",
        "@recycle",
        "#recycle",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    }
)
# What nobody takes for an image.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
_HIDDEN, _FOLDERS, _BROKEN, _SPECIAL = _KINDS = (
    "hidden or system folders",
    "folders",
    "broken links",
    "special files",
)
_CONVERTED = frozenset({".heic", ".heif"})


@dataclass(frozen=True)
class Listing:
    """The image files of a folder.

    Attributes:
        files: In the order of their names.
        passed_over: Number of other files by suffix, or by why they are none.
        inner: Number of images by the folder within, where they lie in one.
    """

    files: tuple[Path, ...]
    passed_over: Counter[str] = field(default_factory=Counter)
    inner: Counter[str] = field(default_factory=Counter)

    @property
    def folders(self) -> int:
        """Number of the folders within that were not entered, though they are the user's."""
        return self.passed_over[_FOLDERS]

    def notes(self) -> list[str]:
        """A clause for what was passed over, and one for the folders within that were not."""
        told = []
        if self.passed_over:
            told.append(f"passed over {counted(self.passed_over)}{_advice(self.passed_over)}")
        if self.inner:
            told.append(f"took in the folders within it: {counted(self.inner)}")
        return told


def image_files(folder: Path, suffixes: Set[str], *, within: bool) -> Listing:
    """Lists the images of a folder.

    Hidden folders and those of systems and tools are never entered. Links are followed.

    Args:
        folder: Where to look.
        suffixes: Of images, in lower case.
        within: Whether to look into the folders within it too.
    """
    found: list[Path] = []
    passed_over: Counter[str] = Counter()
    inner: Counter[str] = Counter()
    for entry in _walk(folder, within, passed_over):
        path = Path(entry)
        reason = _passed_over(entry, path, suffixes)
        if reason is None:
            found.append(path)
            if path.parent != folder:
                inner[path.relative_to(folder).parts[0]] += 1
        elif reason:
            passed_over[reason] += 1
    return Listing(tuple(sorted(found, key=_order)), passed_over, inner)


def is_entered(folder: Path) -> bool:
    """Whether a folder is one of the user's, and neither hidden nor one of systems or tools."""
    return not folder.name.startswith(".") and folder.name.lower() not in _SYSTEM


def is_litter(path: Path) -> bool:
    """Whether a file is what managers of files leave beside images."""
    return path.name.lower() in _LITTER


def composed(name: str) -> str:
    """A name as all systems spell it: macOS takes letters and their accents apart."""
    return unicodedata.normalize("NFC", name)


def below(root: Path, path: Path | str) -> Path:
    r"""A path below a folder, in which ``\`` is read as Windows does if nothing else is meant."""
    found = root / path
    other = root / str(path).replace("\\", "/")
    return other if other != found and not found.exists() else found


def leads_out(name: str, *folders: Path) -> bool:
    r"""Whether a list file names something outside all of the folders, by ``..`` or from a root.

    Args:
        name: As the list has it, with ``/`` or ``\``.
        folders: What relative names start from is the first of them.
    """
    if PureWindowsPath(name).is_absolute() and not Path(name).is_absolute():
        return True
    path = _normal(folders[0] / name.replace("\\", "/"))
    return not any(path.is_relative_to(_normal(folder)) for folder in folders)


def is_within(name: str, folders: Sequence[Path]) -> bool:
    """Whether a file that a list names by an absolute path is in one of the folders.

    Others are not asked about: what is not there may be so by the name of another system.
    """
    path = Path(name)
    try:
        elsewhere = path.is_absolute() and path.is_file()
    except (OSError, ValueError):
        # Too long for a name, for instance.
        return True
    return not elsewhere or path.resolve().parent in [folder.resolve() for folder in folders]


def _normal(path: Path) -> Path:
    """The path without ``..``; links are left as they are, since whoever made them meant them."""
    return Path(os.path.normpath(path.absolute()))


def _walk(folder: Path, within: bool, passed_over: Counter[str]) -> Iterator[os.DirEntry[str]]:
    """Every file; a folder that was seen already, through a link, is not entered again."""
    waiting, seen = [folder], set()
    while waiting:
        place = waiting.pop()
        real = os.path.realpath(place)
        if real in seen:
            continue
        seen.add(real)
        # What the system tells of all files of a folder at once, it need not be asked for each.
        with os.scandir(place) as entries:
            ordered = sorted(entries, key=lambda entry: (composed(entry.name), entry.name))
        for entry in ordered:
            if not entry.is_dir():
                yield entry
            elif not is_entered(path := Path(entry)):
                passed_over[_HIDDEN] += 1
            elif within:
                waiting.append(path)
            else:
                passed_over[_FOLDERS] += 1


def _passed_over(entry: os.DirEntry[str], path: Path, suffixes: Set[str]) -> str | None:
    """Why a file is no image; empty if that is not worth telling, None if it is one."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        # Some systems leave hidden files with the name of an image beside it.
        return ""
    if is_litter(path):
        return ""
    if not entry.is_file():
        return _BROKEN if entry.is_symlink() else _SPECIAL
    if suffix in suffixes:
        return None
    return suffix or "without a suffix"


def _order(path: Path) -> tuple[str, str]:
    name = path.as_posix()
    return composed(name), name


def counted(counts: Counter[str]) -> str:
    """Numbers of what was passed over, the most frequent first."""
    return ", ".join(
        f"{count} {what.removesuffix('s') if count == 1 and what in _KINDS else what}"
        for what, count in counts.most_common()
    )


def _advice(counts: Counter[str]) -> str:
    return " (convert HEIC files to JPEG or PNG to use them)" if _CONVERTED & counts.keys() else ""
