"""Unpacks a data set of Hugging Face on disk into files, which everything else reads.

What ``datasets.Dataset.save_to_disk`` wrote, or Parquet files as their hub has them. The bytes of
images and masks stay as they are, and no code of the data set runs.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from nas.errors import UserError
from nas.files import naming_full_disks, read_json
from nas.tasks.recognising.recognised import split_of
from nas.tasks.recognising.writing import Initialised, initialise

if TYPE_CHECKING:
    import pyarrow

STATE, SPLITS = "state.json", "dataset_dict.json"
_INFO = "dataset_info.json"
_METADATA = b"huggingface"
_MASKS = ("annotation", "mask", "label", "seg", "target")
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}
_LOSSY = (".jpg", ".webp")
_PART = re.compile(r"-\d+-of-\d+$")
_ROWS = 64


@dataclass(frozen=True)
class _Table:
    """Rows of one file.

    Attributes:
        path: The file.
        features: What its columns are, as `datasets` describes them; empty where nothing says.
    """

    path: Path
    features: Mapping[str, Any]

    def batches(self, columns: list[str]) -> Iterator[pyarrow.RecordBatch]:
        """Some rows at a time."""
        import pyarrow
        import pyarrow.parquet

        try:
            if self.path.suffix == ".parquet":
                file = pyarrow.parquet.ParquetFile(self.path)
                yield from file.iter_batches(_ROWS, columns=columns)
                return
            with pyarrow.memory_map(str(self.path)) as source:
                for batch in pyarrow.ipc.open_stream(source):
                    yield batch.select(columns)
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{self.path}: it cannot be read ({_first_line(error)}).") from error

    def schema(self) -> pyarrow.Schema:
        """Names and types of the columns."""
        import pyarrow
        import pyarrow.parquet

        try:
            if self.path.suffix == ".parquet":
                return pyarrow.parquet.read_schema(self.path)
            with pyarrow.memory_map(str(self.path)) as source:
                return pyarrow.ipc.open_stream(source).schema
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{self.path}: it cannot be read ({_first_line(error)}).") from error


@dataclass(frozen=True)
class _Columns:
    """What is read: the image, and its mask or its class.

    Attributes:
        image: Column of the images.
        label: Column of the masks or classes.
        names: Of the classes by their numbers; empty where the column has names, or masks.
        is_mask: Whether it has masks.
    """

    image: str
    label: str
    names: tuple[str, ...]
    is_mask: bool


def unpack(
    dataset: str | Path,
    folder: str | Path,
    *,
    image: str | None = None,
    label: str | None = None,
) -> Initialised:
    """Writes the images of a data set, with their masks or classes, as files, and a task.yaml.

    Masks go to ``SPLIT/masks`` beside ``SPLIT/images``, classes into a list ``SPLIT.csv``.

    Args:
        dataset: Folder of the data set.
        folder: New; it holds nothing if something is wrong.
        image: Column of the images; the first one of images unless given.
        label: Column of masks or classes; found by its type and name unless given.

    Raises:
        UserError: If it is no such data set, its columns tell no task, an image cannot be read, or
            pyarrow is missing.
    """
    source, target = Path(dataset).expanduser(), Path(folder).expanduser()
    _require_library()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target}: it is there already; name a new folder.")
    tables = _tables(source)
    columns = _columns(next(iter(tables.values()))[0], image, label)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with naming_full_disks(target):
            for split, parts in tables.items():
                _write(parts, columns, source, temporary, split)
        if target.is_dir():
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return initialise(target)


def _require_library() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UserError(
            "a data set of Hugging Face is read by pyarrow: pip install 'nas_toolkit[parquet]'."
        ) from error


def _tables(source: Path) -> dict[str, list[_Table]]:
    """The files of each split; of one that has none of its own, all are train."""
    if not source.is_dir():
        raise UserError(f"{source}: no such folder.")
    if (source / SPLITS).is_file():
        names = map(str, read_json(source / SPLITS).get("splits", []))
        found = {name: _saved(source / name) for name in names}
    elif (source / STATE).is_file():
        found = {source.name: _saved(source)}
    else:
        found = _parquet(source)
    if not any(found.values()):
        raise UserError(
            f"{source}: no data set of Hugging Face: neither saved by save_to_disk, nor with "
            "Parquet files in it or in data/."
        )
    if len(found) == 1:
        return {"train": next(iter(found.values()))}
    known: dict[str, str] = {}
    for name in found:
        split = split_of(name)
        if split is None or split in known:
            other = f", and {known[split]!r} is one already" if split else ""
            raise UserError(
                f"{source}: split {name!r} is none of train, validation and test{other}; save the "
                "splits that are wanted as a data set of their own."
            )
        known[split] = name
    if "train" not in known:
        raise UserError(f"{source}: no split is called train; it has {', '.join(found)}.")
    return {split: found[name] for split, name in known.items()}


def _saved(folder: Path) -> list[_Table]:
    state = read_json(folder / STATE)
    if state.get("_indices_data_files"):
        raise UserError(
            f"{folder}: its rows are chosen by an index; save it with flatten_indices() first."
        )
    info = read_json(folder / _INFO) if (folder / _INFO).is_file() else {}
    files = [str(one.get("filename")) for one in state.get("_data_files", [])]
    wrong = next((name for name in files if Path(name).name != name), None)
    if wrong is not None:
        raise UserError(f"{folder / STATE}: {wrong!r} is no file of this folder.")
    return [_Table(folder / name, info.get("features") or {}) for name in files]


def _parquet(source: Path) -> dict[str, list[_Table]]:
    import pyarrow
    import pyarrow.parquet

    found: dict[str, list[_Table]] = {}
    for path in sorted([*source.glob("*.parquet"), *source.glob("data/*.parquet")]):
        try:
            metadata = pyarrow.parquet.read_schema(path).metadata or {}
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{path}: it cannot be read ({_first_line(error)}).") from error
        described = json.loads(metadata.get(_METADATA, b"{}"))
        table = _Table(path, described.get("info", {}).get("features") or {})
        found.setdefault(_PART.sub("", path.stem), []).append(table)
    return found


def _columns(table: _Table, image: str | None, label: str | None) -> _Columns:
    import pyarrow.types as types

    schema = table.schema()
    images = [field.name for field in schema if _holds_images(table, field)]
    for name in (image, label):
        if name is not None and name not in schema.names:
            raise UserError(f"{table.path}: no column {name!r}; it has {', '.join(schema.names)}.")
    image = image or next((name for name in images if not _is_called_mask(name)), None)
    if image is None or image not in images:
        raise UserError(
            f"{table.path}: no column of images{f' {image!r}' if image else ''}; its columns: "
            f"{', '.join(schema.names)}."
        )
    others = [name for name in images if name != image]
    classes = [
        field.name
        for field in schema
        if _type(table, field.name) == "ClassLabel"
        or (field.name in ("label", "labels", "class") and not types.is_nested(field.type))
    ]
    named = [name for name in others if _is_called_mask(name)]
    choices = named or others or classes
    if label is None and len(choices) != 1:
        raise UserError(
            f"{table.path}: {'several columns' if choices else 'no column'} could tell masks or "
            f"classes; name one by --label: {', '.join(schema.names)}."
        )
    label = label or choices[0]
    names = tuple(map(str, table.features.get(label, {}).get("names") or ()))
    return _Columns(image, label, names, label in images)


def _type(table: _Table, name: str) -> str:
    feature = table.features.get(name)
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _holds_images(table: _Table, field: pyarrow.Field) -> bool:
    import pyarrow.types as types

    if _type(table, field.name) == "Image":
        return True
    parts = {part.name for part in field.type} if types.is_struct(field.type) else set()
    return not table.features and parts == {"bytes", "path"}


def _is_called_mask(name: str) -> bool:
    return any(word in name.lower() for word in _MASKS)


def _write(tables: list[_Table], columns: _Columns, source: Path, target: Path, split: str) -> None:
    images = target / split / "images" if columns.is_mask else target / "images" / split
    masks = target / split / "masks"
    for folder in (images, masks) if columns.is_mask else (images,):
        folder.mkdir(parents=True)
    rows: list[tuple[str, str]] = []
    for table in tables:
        for batch in table.batches([columns.image, columns.label]):
            for row in batch.to_pylist():
                where = f"{table.path}: row {len(rows)}"
                picture = _Picture.of(row[columns.image], source, where)
                name = f"{len(rows):06d}"
                (images / f"{name}{picture.suffix}").write_bytes(picture.content)
                label = row[columns.label]
                if columns.is_mask:
                    mask = _Picture.of(label, source, f"{where}, {columns.label}")
                    (masks / f"{name}.png").write_bytes(mask.as_mask())
                rows.append(
                    (f"images/{split}/{name}{picture.suffix}", _name(label, columns, where))
                )
    if not rows:
        raise UserError(f"{tables[0].path}: split {split} has no rows.")
    if not columns.is_mask:
        with (target / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("image", "class"), *rows])


def _name(label: Any, columns: _Columns, where: str) -> str:
    if columns.is_mask:
        return ""
    if isinstance(label, bool) or not isinstance(label, (int, str)) or label in ("", -1):
        raise UserError(f"{where}: {label!r} in column {columns.label!r} is no class.")
    if isinstance(label, str) or not columns.names:
        return str(label)
    if not 0 <= label < len(columns.names):
        raise UserError(f"{where}: there is no class {label} among {len(columns.names)}.")
    return columns.names[label]


@dataclass(frozen=True)
class _Picture:
    """The bytes of an image file, and the suffix of its format."""

    content: bytes
    suffix: str
    where: str

    @classmethod
    def of(cls, value: Any, source: Path, where: str) -> _Picture:
        value = value if isinstance(value, dict) else {}
        content = value.get("bytes")
        if content is None:
            content = _outside(value.get("path"), source, where)
        try:
            with Image.open(io.BytesIO(content)) as image:
                kind = str(image.format)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"{where}: this is no image that can be read.") from error
        if kind not in _SUFFIXES and kind != "TIFF":
            raise UserError(f"{where}: an image of format {kind}; known: {', '.join(_SUFFIXES)}.")
        return cls(content, _SUFFIXES.get(kind, ".tif"), where)

    def as_mask(self) -> bytes:
        """As a PNG file of the same values."""
        if self.suffix in _LOSSY:
            raise UserError(f"{self.where}: a mask in a lossy format has lost its classes.")
        if self.suffix == ".png":
            return self.content
        file = io.BytesIO()
        try:
            with Image.open(io.BytesIO(self.content)) as image:
                image.save(file, "PNG")
        except (OSError, ValueError) as error:
            raise UserError(f"{self.where}: this mask cannot be written as PNG.") from error
        return file.getvalue()


def _outside(path: Any, source: Path, where: str) -> bytes:
    """The bytes of an image that lies in a file of its own, which has to be one of the data set."""
    place = source / str(path or "")
    if not path or not place.resolve().is_relative_to(source.resolve()) or not place.is_file():
        raise UserError(
            f"{where}: the image is not in the data set, which names {path!r}; save it with "
            "datasets.Image(decode=False) and embed_storage, or with the files beside it."
        )
    return place.read_bytes()


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
