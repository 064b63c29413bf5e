"""Images that lie in files which processes map."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas import tasks
from nas.errors import UserError
from nas.files import DiskFullError
from nas.long_steps import told_to
from nas.tasks import image_files
from nas.tasks import mapped as mapping
from nas.tasks.classification import memory
from nas.tasks.mapped import mapped
from nas.tasks.part import with_part

SMALL = {"input_size": [32, 32]}


@pytest.fixture(autouse=True, name="cache")
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NAS_CACHE", str(cache))
    return cache / "images"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every split is large, and written three images at a time."""
    monkeypatch.setattr("nas.tasks.dataset.IN_MEMORY", 0)
    monkeypatch.setattr(mapping, "_CHUNK", 3)


def never(rows: Any) -> Any:
    raise AssertionError("these images must not be read again")


def numbered(rows: Any) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.tensor(list(rows), dtype=torch.uint8)
    return numbers.view(-1, 1, 1, 1).expand(-1, 3, 2, 2).contiguous(), numbers


@pytest.mark.usefixtures("large")
def test_what_is_mapped_is_what_is_read(task_folder: Any, cache: Path) -> None:
    source = tasks.load(task_folder.root).sources["train"]
    assert source.is_mapped
    for found, expected in zip(source.tensors, source.read(), strict=True):
        assert torch.equal(found, expected)
        assert found.dtype == expected.dtype
    assert len(list(cache.glob("*/images.npy"))) == 1


def test_small_splits_stay_in_memory(task_folder: Any, cache: Path) -> None:
    source = tasks.load(task_folder.root).sources["train"]
    assert not source.is_mapped
    assert len(source.tensors[0]) == 8
    assert not cache.exists()


@pytest.mark.usefixtures("large")
def test_another_size_or_content_is_another_file(task_folder: Any, cache: Path) -> None:
    for _ in range(2):
        shapes = [
            tasks.load(task_folder.root, **options).dataset("train").images.shape
            for options in ({}, SMALL)
        ]
        assert shapes == [(8, 3, 32, 48), (8, 3, 32, 32)]
    assert len(list(cache.glob("*/images.npy"))) == 2
    for image in task_folder.root.glob("images/*.jpg"):
        task_folder.save(np.zeros((40, 60, 3), np.uint8), f"images/{image.name}")
    assert tasks.load(task_folder.root).dataset("train").images.max() < 10


@pytest.mark.usefixtures("large")
def test_images_of_classes_are_mapped_as_they_are_read(photos: Any) -> None:
    source = tasks.load(photos, **SMALL).sources["train"]
    assert source.is_mapped
    for found, expected in zip(source.tensors, source.read(), strict=True):
        assert torch.equal(found, expected)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve grey photos of two classes."""
    for number in range(12):
        folder = tmp_path / "train" / ("ant", "bee")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8), (20 * number,) * 3).save(folder / f"{number}.png")
    (tmp_path / "task.yaml").write_text("name: photos\nkind: classification\n")
    return tmp_path


def test_images_that_are_mapped_need_no_memory(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "total_memory", lambda: 1000)
    with pytest.raises(UserError, match="half of the memory"):
        tasks.load(photos, **SMALL)
    monkeypatch.setattr("nas.tasks.dataset.IN_MEMORY", 0)
    assert len(tasks.load(photos, **SMALL).sources["train"].names) > 0


def test_they_are_written_once() -> None:
    first = mapped("faces", 5, numbered)
    again = mapped("faces", 5, never)
    assert torch.equal(first[0], again[0])
    assert again[1].tolist() == [0, 1, 2, 3, 4]


def test_what_one_process_writes_stays_its_own() -> None:
    images, _ = mapped("faces", 5, numbered)
    images[3] = 77
    assert mapped("faces", 5, never)[0][3].unique().tolist() == [3]


@pytest.mark.parametrize("kept", [0, 10, 140])
def test_a_file_that_was_cut_short_is_made_again(cache: Path, kept: int) -> None:
    mapped("faces", 5, numbered)
    (file,) = cache.glob("*/images.npy")
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    images, _ = mapped("faces", 5, numbered)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert file.read_bytes() == content


def test_what_a_killed_process_has_left_is_removed(cache: Path) -> None:
    def killed(rows: Any) -> Any:
        raise KeyboardInterrupt

    mapped("faces", 5, numbered)
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    left = cache / f".{folder.name}-left"
    folder.rename(left)
    with pytest.raises(KeyboardInterrupt):
        mapped("faces", 5, killed)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []
    assert mapped("faces", 5, numbered)[1].tolist() == [0, 1, 2, 3, 4]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(cache: Path, full_disk: Any) -> None:
    def zeros(rows: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(rows), 3, 8, 8, dtype=torch.uint8), torch.zeros(len(rows))

    # Enough for the cache to be found writable.
    with full_disk(70_000), pytest.raises(DiskFullError, match="disk full"):
        mapped("faces", 500, zeros)
    assert [path for path in cache.iterdir() if path.is_dir()] == []
    assert len(mapped("faces", 500, zeros)[0]) == 500


@pytest.mark.parametrize("limit", [0, 2**28])
def test_the_check_of_a_task_reads_its_files_once_and_keeps_what_it_has_read(
    task_folder: Any, photos: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr("nas.tasks.dataset.IN_MEMORY", limit)
    for folder in (task_folder.root, photos):
        expected = tasks.load(folder, **SMALL).sources["train"].read()
        task = tasks.load(folder, **SMALL)
        opened: list[Path] = []
        with monkeypatch.context() as patch:
            for module in ("reading", "mask_files"):
                _count_opened(patch, f"nas.tasks.{module}.opened", opened)
            task.check().raise_if_bad()
            images, targets = task.sources["train"].tensors
        assert len(opened) == len(set(opened)) > 0
        assert torch.equal(images, expected[0])
        assert torch.equal(targets, expected[1])


def _count_opened(patch: pytest.MonkeyPatch, name: str, opened: list[Path]) -> None:
    def open_(path: Path) -> Image.Image:
        opened.append(path)
        return image_files.opened(path)

    patch.setattr(name, open_)


@pytest.mark.parametrize("limit", [0, 2**28])
def test_a_check_that_finds_a_damaged_image_keeps_nothing(
    task_folder: Any, cache: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr("nas.tasks.dataset.IN_MEMORY", limit)
    task = tasks.load(task_folder.root)
    damaged = task.sources["train"].files[3].image  # type: ignore[attr-defined]
    damaged.write_bytes(damaged.read_bytes()[:300])
    assert any(str(damaged) in problem for problem in task.check().problems)
    with pytest.raises(UserError, match=damaged.name):
        assert task.sources["train"].tensors
    assert not any(path.name.startswith(".") for path in cache.glob(".*-*"))


@pytest.mark.usefixtures("large")
def test_a_part_of_a_mapped_split_is_taken_from_its_map(
    task_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks.load_segmentation(task_folder.root)
    part = with_part(task, 5)
    monkeypatch.setattr("nas.tasks.reading.opened", never)
    images, masks = part.sources["train"].tensors
    names = task.sources["train"].names
    rows = [names.index(name) for name in part.sources["train"].names]
    assert torch.equal(images, task.sources["train"].tensors[0][rows])
    assert torch.equal(masks, task.sources["train"].tensors[1][rows])


def test_a_process_that_waits_for_another_ones_reading_says_so() -> None:
    told: list[str] = []
    reading, go_on = threading.Event(), threading.Event()

    def slow(rows: Any) -> Any:
        reading.set()
        assert go_on.wait(60)
        return numbered(rows)

    def tell(sentence: str) -> None:
        told.append(sentence)
        go_on.set()

    with ThreadPoolExecutor(1) as thread, told_to(tell):
        first = thread.submit(mapped, "faces", 5, slow)
        assert reading.wait(60)
        second = mapped("faces", 5, never)
        assert torch.equal(first.result()[0], second[0])
    assert told == ["another process is reading the same images; waiting for it"]
