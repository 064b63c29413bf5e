"""The classification files under docs/tasks on data that they describe."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas import tasks

ROOT = Path(__file__).parents[4]
FASHION = ROOT.parent / "shared" / "data" / "fashion_mnist"
needs_fashion = pytest.mark.skipif(
    not FASHION.is_dir(), reason="needs the data set in ../shared/data/fashion_mnist"
)


@needs_fashion
def test_fashion_mnist_is_complete():
    task = tasks.load(ROOT / "docs/tasks/fashion_mnist.yaml", data=FASHION)
    report = tasks.check(task)
    assert report.problems == []
    for split, count in {"train": 5400, "validation": 600, "test": 1000}.items():
        assert set(report.splits[split].images.values()) == {count}
        assert report.splits[split].sizes == {(28, 28): 10 * count}


@needs_fashion
def test_fashion_mnist_is_normalised_by_its_own_mean():
    task = tasks.load(FASHION)
    assert task.mean == pytest.approx((0.2860,) * 3, abs=5e-4)
    assert task.std == pytest.approx((0.3530,) * 3, abs=5e-4)


@needs_fashion
def test_part_of_fashion_mnist_is_one_option():
    path = ROOT / "docs/tasks/fashion_mnist.yaml"
    task = tasks.load(path, data=FASHION, train=500, validation=100, test=200)
    assert torch.bincount(task.dataset("train").targets).tolist() == [50] * 10
    assert torch.bincount(task.dataset("test").targets).tolist() == [20] * 10
    assert (task.classes[8], task.input_size) == ("bag", (28, 28))
    # Trousers are narrow: two legs, and nothing at the sides.
    images = task.dataset("train").images[task.dataset("train").targets == 1].float()
    assert images[..., 10:18].mean() > 10 * images[..., :4].mean()


def test_cub_holds_out_a_part_for_validation(birds):
    task = tasks.load(ROOT / "docs/tasks/cub.yaml", data=birds.root)
    assert (task.name, task.input_size) == ("cub_200_2011", (224, 224))
    assert [len(task.dataset(split)) for split in task.splits] == [6, 2, 4]


def test_image_folder_takes_any_folder(photos):
    task = tasks.load(ROOT / "docs/tasks/image_folder.yaml", data=photos.root)
    assert [len(task.dataset(split)) for split in task.splits] == [48, 6, 6]
