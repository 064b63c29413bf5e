"""Tasks made of any data set of images and targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from nas import tasks
from nas.errors import UserError


class Pairs(Dataset):
    """Images and targets of a list."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


class Stream(IterableDataset):
    """Images and targets one after the other, without a length."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter(self.pairs)


def labelled(count=40, channels=1):
    """Images whose value is twice their number, of two classes in turn."""
    images = 2 * torch.arange(count, dtype=torch.uint8)
    return TensorDataset(
        images[:, None, None, None].repeat(1, channels, 16, 24), torch.arange(count) % 2
    )


def masked(count=20):
    masks = torch.zeros(count, 32, 48, dtype=torch.long)
    masks[:, 16:], masks[:, :, 40:] = 1, 255
    return TensorDataset(torch.full((count, 3, 32, 48), 100, dtype=torch.uint8), masks)


def classified(*arguments, **options):
    return tasks.from_datasets("parity", ["even", "odd"], *arguments, **options)


def test_classes_are_learned_from_numbers():
    task = classified(labelled(), labelled(10), labelled(6))
    assert isinstance(task, tasks.ClassificationTask)
    assert [len(task.dataset(split)) for split in task.splits] == [40, 10, 6]
    data = task.dataset("train")
    assert (data.images.shape, task.inputs) == ((40, 1, 16, 24), {"grey": 1})
    assert data.images[7].unique().tolist() == [14]
    assert data.targets.tolist() == [0, 1] * 20
    assert tasks.check(task).problems == []


def test_pixels_are_learned_from_masks():
    task = tasks.from_datasets("halves", ["top", "low"], masked(), masked(5), masked(4))
    assert isinstance(task, tasks.SegmentationTask)
    data = task.dataset("validation")
    assert torch.equal(data.targets.long(), masked(5).tensors[1])
    assert data.targets.dtype == torch.uint8
    report = tasks.check(task).splits["train"]
    assert (report.count, report.sizes) == (20, {(32, 48): 20})
    assert report.shares == pytest.approx({"top": 40 / 96, "low": 40 / 96})
    assert report.ignored == pytest.approx(1 / 6)


def test_what_is_not_given_is_held_out_of_train_by_class():
    task = classified(labelled())
    assert [len(task.dataset(split)) for split in task.splits] == [32, 4, 4]
    for split in task.splits:
        targets = task.dataset(split).targets
        assert (targets == 0).sum() == (targets == 1).sum()
    seen = torch.cat([task.dataset(split).images[:, 0, 0, 0] for split in task.splits])
    assert sorted(seen.tolist()) == list(range(0, 80, 2))


def test_masks_are_held_out_too():
    images = torch.arange(20, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 32, 48)
    data = TensorDataset(images, masked().tensors[1])
    task = tasks.from_datasets("halves", ["top", "low"], data)
    other = tasks.from_datasets("halves", ["top", "low"], data, seed=1)
    splits = [task.dataset(split).images[:, 0, 0, 0].tolist() for split in task.splits]
    assert [len(split) for split in splits] == [16, 2, 2]
    assert sorted(row for split in splits for row in split) == list(range(20))
    assert other.dataset("test").images[:, 0, 0, 0].tolist() != splits[2]


def test_every_form_of_an_image_is_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 24, 3), np.uint8)
    tensors = [torch.from_numpy(image).permute(2, 0, 1) for image in pixels]
    forms = [
        [Image.fromarray(image) for image in pixels],
        tensors,
        [image / 255 for image in tensors],
    ]
    targets = [0, np.int64(1), torch.tensor(0), np.array(1)] * 5
    found = [classified(Pairs(list(zip(form, targets, strict=True)))) for form in forms]
    assert torch.equal(found[0].dataset("train").images[0], tensors[0])
    assert len({task.fingerprint for task in found}) == 1
    assert found[0].mean == (0.485, 0.456, 0.406)


def test_a_mask_may_be_an_image():
    mask = Image.fromarray(np.full((32, 48), 1, np.uint8))
    data = Pairs([(Image.new("RGB", (48, 32)), mask)] * 3)
    task = tasks.from_datasets("halves", ["top", "low"], data, data, data)
    assert task.dataset("train").targets.unique().tolist() == [1]


def test_a_data_set_may_have_no_length():
    pairs = [labelled()[index] for index in range(40)]
    assert classified(Stream(pairs)).fingerprint == classified(labelled()).fingerprint


@pytest.mark.parametrize("change", ["image", "target", "name"])
def test_the_fingerprint_follows_the_content(change):
    before, after = labelled(), labelled()
    if change == "image":
        after.tensors[0][3, 0, 0, 0] += 1
    if change == "target":
        after.tensors[1][3] = 0
    classes = ["even", "uneven"] if change == "name" else ["even", "odd"]
    first = tasks.from_datasets("parity", ["even", "odd"], before, before, before)
    assert first.fingerprint == classified(labelled(), labelled(), labelled()).fingerprint
    second = tasks.from_datasets("parity", classes, after, before, before)
    assert first.fingerprint != second.fingerprint


def test_inputs_are_named():
    task = classified(labelled(channels=5), inputs={"rgb": 3, "depth": 1, "ir": 1})
    assert (list(task.inputs), task.input_shape) == (["rgb", "depth", "ir"], (1, 5, 16, 24))
    assert len(task.mean) == 5 and task.mean[0] == task.mean[4]
    assert task.fingerprint != classified(labelled(channels=5)).fingerprint


def test_options_mean_what_they_mean_in_a_file():
    task = tasks.from_datasets(
        "halves",
        ["top", "low"],
        masked(),
        reward_classes=["low"],
        pairs=[("low", "top")],
        groups={"all": [["top", "low"]]},
        mean=(0.1, 0.2, 0.3),
        std=(1, 1, 1),
    )
    assert (task.reward_classes, task.pairs) == (("low",), ((1, 0),))
    assert (task.groups, task.mean) == ({"all": [["top", "low"]]}, (0.1, 0.2, 0.3))


def test_other_processes_cannot_load_it():
    assert classified(labelled()).address is None


IMAGE = torch.zeros(3, 32, 48, dtype=torch.uint8)
MASK = torch.zeros(32, 48, dtype=torch.long)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], ": the data set is empty"),
        ([(IMAGE, 0), (IMAGE[:, :16], 0)], "item 1: the image is 3x16x48 .* the first .* 3x32x48"),
        ([(IMAGE, 0), (IMAGE, 2)], "item 1: the class 2 is not one of 0 to 1"),
        ([(IMAGE, 0), (IMAGE, -1)], "item 1: the class -1 is not one of 0 to 1"),
        ([(IMAGE, 0.5)], "item 0: a target is made of whole numbers, not of float64"),
        ([(IMAGE, 0), (IMAGE, MASK)], "item 1: the target has 2 dimensions, and 0 are needed"),
        ([(IMAGE, MASK[:16])], "item 0: the mask has 16x48 pixels, its image 32x48"),
        ([(IMAGE, MASK + 2)], "the value 2 is none of the 2 classes, and not ignore_index 255"),
        ([(IMAGE, torch.zeros(2, 2, 2).long())], "not of 3 dimensions"),
        ([(IMAGE.float() + 2, 0)], "float32 has to hold values from 0 to 1"),
        ([(IMAGE.int(), 0)], "int32 has to hold values from 0 to 1"),
        ([(IMAGE[0], 0)], r"a tensor of channels, height and width, not \(32, 48\)"),
        ([(np.zeros((32, 48, 3)), 0)], "not ndarray"),
        ([(Image.new("P", (48, 32)), 0)], "mode P; convert it to RGB or L"),
        ([IMAGE], "it is no pair of an image and a target"),
    ],
)
def test_wrong_items_are_named(pairs, message):
    with pytest.raises(UserError, match=rf"^task parity: .*{message}"):
        classified(Pairs(pairs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "classifcation"}, "no kind of task 'classifcation'; did you mean 'classific"),
        ({"kind": "segmentation"}, "the target has 0 dimensions, and 2 are needed"),
        ({"reward_classes": ["uneven"]}, "unknown class 'uneven'"),
        ({"groups": {}}, "unknown key 'groups'"),
        ({"channels": 3}, "channels is that of the images; remove it"),
        ({"inputs": {"rgb": 3}}, "have 3 channels, and the images 1"),
        ({"mean": (0.5,)}, "mean and std go together"),
        ({"validation": Pairs([])}, "validation: the data set is empty"),
        ({"validation": labelled(), "validation_share": 0.2}, "remove validation_share"),
    ],
)
def test_wrong_options_are_refused(options, message):
    if options.get("kind") == "segmentation":
        data = TensorDataset(torch.zeros(4, 1, 32, 32), torch.zeros(4).long())
    else:
        data = labelled()
    with pytest.raises(UserError, match=message):
        classified(data, **options)
