"""Data sets of Hugging Face on disk, as `datasets` writes them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from PIL import Image

import nas.tasks
from nas.errors import UserError
from nas.tasks.huggingface import unpack

PICTURES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IMAGE, MASK = {"_type": "Image"}, {"_type": "Image"}
CLASS = {"_type": "ClassLabel", "names": ["cat", "dog, large"]}


def encoded(pixels: np.ndarray, kind: str = "PNG") -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return {"bytes": file.getvalue(), "path": None}


def photos(count: int, seed: int = 0) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    return [encoded(generator.integers(0, 255, (16, 24, 3), np.uint8)) for _ in range(count)]


def masks(count: int, seed: int = 1) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    return [encoded(generator.integers(0, 3, (16, 24), np.uint8)) for _ in range(count)]


def segmentation(count: int, seed: int = 0) -> pa.Table:
    return pa.table(
        {
            "annotation": pa.array(masks(count, seed + 1), PICTURES),
            "image": pa.array(photos(count, seed), PICTURES),
        }
    )


def classification(count: int, seed: int = 0) -> pa.Table:
    return pa.table(
        {
            "image": pa.array(photos(count, seed), PICTURES),
            "label": pa.array([number % 2 for number in range(count)], pa.int64()),
        }
    )


def save(table: pa.Table, folder: Path, features: dict[str, Any]) -> None:
    """As `Dataset.save_to_disk`, in two files."""
    folder.mkdir(parents=True)
    half, files = len(table) // 2, []
    for number, part in enumerate((table.slice(0, half), table.slice(half))):
        name = f"data-0000{number}-of-00002.arrow"
        with (
            pa.OSFile(str(folder / name), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as w,
        ):
            w.write_table(part)
        files.append({"filename": name})
    state = {"_data_files": files, "_indices_data_files": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


def save_splits(folder: Path, make: Any, features: dict[str, Any], splits: tuple[str, ...]) -> None:
    """As `DatasetDict.save_to_disk`."""
    for seed, split in enumerate(splits):
        save(make(4 if split == "validation" else 8, 10 * seed), folder / split, features)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_images_and_masks_of_splits_stay_as_they_are(tmp_path: Path) -> None:
    features = {"image": IMAGE, "annotation": MASK}
    splits = ("train", "validation", "test")
    save_splits(tmp_path / "set", segmentation, features, splits)
    unpack(tmp_path / "set", tmp_path / "files")
    stored = segmentation(4, 10).to_pylist()
    for number, row in enumerate(stored):
        place = tmp_path / "files" / "validation"
        assert (place / "images" / f"00000{number}.png").read_bytes() == row["image"]["bytes"]
        assert (place / "masks" / f"00000{number}.png").read_bytes() == row["annotation"]["bytes"]
    task = nas.tasks.load(tmp_path / "files")
    counts = {split: len(task.sources[split].names) for split in task.splits}
    assert counts == {"train": 8, "validation": 4, "test": 8}
    assert task.num_classes == 3
    assert nas.tasks.check(task).problems == []


def test_classes_keep_their_names(tmp_path: Path) -> None:
    features = {"image": IMAGE, "label": CLASS}
    save_splits(tmp_path / "set", classification, features, ("train", "test"))
    unpack(tmp_path / "set", tmp_path / "files")
    with (tmp_path / "files" / "train.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    first, second = (["images/train/000000.png", "cat"], ["images/train/000001.png", "dog, large"])
    assert rows[:3] == [["image", "class"], first, second]
    task = nas.tasks.load(tmp_path / "files")
    assert task.classes == ("cat", "dog, large")
    assert task.dataset("test").targets.tolist() == [0, 1] * 4


def test_an_unpacked_set_is_searched(nas, tmp_path: Path, tiny_own_data) -> None:
    features = {"image": IMAGE, "annotation": MASK}
    save_splits(tmp_path / "set", segmentation, features, ("train", "validation", "test"))
    unpack(tmp_path / "set", tmp_path / "files")
    run, size = tmp_path / "run", ("--set", "task_options={input_size: [32, 48]}")
    outcome = nas(
        "search", "--data", tmp_path / "files", "--run", run, *tiny_own_data, *size, "--trials", 1
    )
    assert outcome.code == 0, outcome.err


def test_parquet_files_are_read_with_the_names_in_their_metadata(tmp_path: Path) -> None:
    described = {"info": {"features": {"image": IMAGE, "label": CLASS}}}
    (tmp_path / "set" / "data").mkdir(parents=True)
    for split in ("train", "validation"):
        for part in (0, 1):
            table = classification(4, part).replace_schema_metadata(
                {"huggingface": json.dumps(described)}
            )
            path = tmp_path / "set" / "data" / f"{split}-0000{part}-of-00002.parquet"
            pyarrow.parquet.write_table(table, path)
    unpack(tmp_path / "set", tmp_path / "files")
    task = nas.tasks.load(tmp_path / "files")
    assert task.classes == ("cat", "dog, large")
    # Without a test split, a tenth of train is one, of each class at least one image.
    counts = {split: len(task.sources[split].names) for split in task.splits}
    assert counts == {"train": 6, "validation": 8, "test": 2}


def test_a_set_without_splits_is_train(tmp_path: Path) -> None:
    save(segmentation(20), tmp_path / "set", {"image": IMAGE, "annotation": MASK})
    unpack(tmp_path / "set", tmp_path / "files")
    assert len(list((tmp_path / "files" / "train" / "masks").iterdir())) == 20


@pytest.mark.parametrize(
    ("split", "sentence"),
    [("train_extra", "'train_extra' .*, and 'train' is one already"), ("extra", "'extra' is none")],
)
def test_a_split_of_another_name_is_no_part_of_train(
    tmp_path: Path, split: str, sentence: str
) -> None:
    features = {"image": IMAGE, "annotation": MASK}
    save_splits(tmp_path / "set", segmentation, features, ("train", split))
    with pytest.raises(UserError, match=sentence):
        unpack(tmp_path / "set", tmp_path / "files")


def test_columns_can_be_named(tmp_path: Path) -> None:
    table = segmentation(8).append_column("depth", pa.array(masks(8, 5), PICTURES))
    table = table.rename_columns(["first", "photo", "second"])
    save(table, tmp_path / "set", dict.fromkeys(("first", "photo", "second"), IMAGE))
    with pytest.raises(UserError, match="several columns could tell masks or classes; name one"):
        unpack(tmp_path / "set", tmp_path / "files", image="photo")
    unpack(tmp_path / "set", tmp_path / "files", image="photo", label="second")
    found = pixels(tmp_path / "files" / "train" / "masks" / "000000.png")
    assert np.array_equal(found, np.array(Image.open(io.BytesIO(masks(1, 5)[0]["bytes"]))))


def damaged(tmp_path: Path, what: str) -> Path:
    """A data set with a fault."""
    folder, features = tmp_path / "set", {"image": IMAGE, "annotation": MASK}
    table = segmentation(4)
    rows = table.to_pylist()
    if what == "lossy mask":
        rows[3]["annotation"] = encoded(np.zeros((16, 24), np.uint8), "JPEG")
    elif what == "no image":
        rows[3]["image"] = {"bytes": b"nothing", "path": None}
    elif what == "outside":
        rows[3]["image"] = {"bytes": None, "path": "/etc/hostname"}
    elif what == "class":
        features = {"image": IMAGE, "label": CLASS}
        rows = classification(4).to_pylist()
        rows[3]["label"] = 7
        table = classification(4)
    save(pa.Table.from_pylist(rows, table.schema), folder, features)
    if what == "index":
        state = json.loads((folder / "state.json").read_text())
        (folder / "state.json").write_text(json.dumps(state | {"_indices_data_files": [{}]}))
    elif what == "path":
        (folder / "state.json").write_text(
            json.dumps({"_data_files": [{"filename": "../a.arrow"}]})
        )
    elif what == "cut off":
        path = folder / "data-00000-of-00002.arrow"
        path.write_bytes(path.read_bytes()[:400])
    return folder


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("lossy mask", "row 3, annotation: a mask in a lossy format has lost its classes"),
        ("no image", "row 3: this is no image that can be read"),
        ("outside", "row 3: the image is not in the data set, which names '/etc/hostname'"),
        ("class", "row 3: there is no class 7 among 2"),
        ("index", "its rows are chosen by an index"),
        ("path", "'../a.arrow' is no file of this folder"),
        ("cut off", "data-00000-of-00002.arrow: it cannot be read"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, what: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        unpack(damaged(tmp_path, what), tmp_path / "files")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data set of Hugging Face"):
        unpack(tmp_path, tmp_path / "files")
    with pytest.raises(UserError, match="nowhere: no such folder"):
        unpack(tmp_path / "nowhere", tmp_path / "files")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine").touch()
    with pytest.raises(UserError, match="it is there already"):
        unpack(tmp_path, tmp_path / "files")


def test_init_tells_what_to_do_with_it(tmp_path: Path) -> None:
    save(segmentation(4), tmp_path / "set", {"image": IMAGE, "annotation": MASK})
    with pytest.raises(UserError, match=r"nas task unpack .*set FOLDER writes them as files"):
        nas.tasks.initialise(tmp_path / "set")


def test_the_command_says_what_it_wrote(nas: Any, tmp_path: Path) -> None:
    save(segmentation(20), tmp_path / "set", {"image": IMAGE, "annotation": MASK})
    outcome = nas("task", "unpack", tmp_path / "set", tmp_path / "files")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"{tmp_path / 'files'}: taken for images and index PNG masks")
    values = yaml.safe_load((tmp_path / "files" / "task.yaml").read_text())
    assert values["images"] == "train/images"
