from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch

from nas import tasks
from nas.errors import UserError


def test_images_and_labels_belong_together(idx):
    task = tasks.load(idx.root)
    assert (task.classes, task.input_size) == (("0", "1", "2"), (6, 4))
    for split, count in {"train": 54, "validation": 6, "test": 12}.items():
        data = task.dataset(split)
        assert data.images.shape == (count, 3, 6, 4)
        assert torch.equal(data.images[:, :, 0, 0], 10 * data.targets[:, None].expand(-1, 3))


def test_compressed_files_are_the_same_task(idx):
    plain = tasks.load(idx.root).fingerprint
    for path in list(idx.root.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert tasks.load(idx.root).fingerprint == plain


def test_without_test_files_test_is_held_out(idx):
    for path in idx.root.glob("t10k*"):
        path.unlink()
    task = tasks.load(idx.root)
    assert [len(task.dataset(split)) for split in task.splits] == [48, 6, 6]


def test_mean_and_deviation_are_those_of_the_train_split(idx):
    task = tasks.load(idx.root)
    pixels = task.dataset("train").images.double() / 255
    assert task.mean == pytest.approx(pixels.mean(dim=(0, 2, 3)).tolist(), abs=1e-6)
    assert task.std == pytest.approx(pixels.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-6)


def test_images_are_resized_to_the_input_size(idx):
    idx.write("t10k-images-idx3-ubyte", np.full((12, 6, 4), 50))
    images = tasks.load(idx.root, input_size=[12, 8]).dataset("test").images
    assert images.shape == (12, 3, 12, 8) and images.unique().tolist() == [50]


def test_classes_are_named_in_the_order_of_the_labels(idx):
    assert tasks.load(idx.root, classes=["a", "b", "c"]).classes == ("a", "b", "c")
    with pytest.raises(UserError, match="names 2 classes, but the labels reach 2; name all 3"):
        tasks.load(idx.root, classes=["a", "b"])


def test_fewer_labels_than_images_are_refused(idx):
    idx.write("t10k-labels-idx1-ubyte", np.arange(3))
    with pytest.raises(UserError, match="12 images, but t10k-labels-idx1-ubyte has 3 labels"):
        tasks.load(idx.root)


def test_a_missing_file_is_named(idx):
    (idx.root / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match=r"no file t10k-labels-idx1-ubyte or"):
        tasks.load(idx.root)


def test_another_format_is_refused(idx):
    (idx.root / "train-labels-idx1-ubyte").write_bytes(b"label,1,2,3")
    with pytest.raises(UserError, match="train-labels-idx1-ubyte: not an idx file"):
        tasks.load(idx.root)


def test_a_file_cut_off_is_refused(idx):
    path = idx.root / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="1435 values instead of 1440; the file is damaged"):
        _ = tasks.load(idx.root).dataset("train").images


def test_a_damaged_compressed_file_is_refused(idx):
    path = idx.root / "train-labels-idx1-ubyte"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes())[:-12])
    path.unlink()
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz: not a readable file"):
        tasks.load(idx.root)


def test_cropping_is_refused(idx):
    with pytest.raises(UserError, match="idx images are not cropped; remove centre_crop"):
        tasks.load(idx.root, centre_crop=0.9)


def test_images_of_one_value_cannot_be_normalised(idx):
    idx.write("train-images-idx3-ubyte", np.zeros((60, 6, 4)))
    with pytest.raises(UserError, match="cannot be normalised; give mean and std"):
        _ = tasks.load(idx.root).mean


def test_images_are_one_channel_if_asked(idx):
    images = tasks.load(idx.root).dataset("train").images
    task = tasks.load(idx.root, channels="grey")
    assert torch.equal(task.dataset("train").images, images[:, :1])
    assert (task.channels, len(task.mean)) == (1, 1)


def test_a_number_of_channels_is_refused(idx):
    with pytest.raises(UserError, match="idx images are grey; channels is 'grey', or 'rgb'"):
        tasks.load(idx.root, channels=1)
