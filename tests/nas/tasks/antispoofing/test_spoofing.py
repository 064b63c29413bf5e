from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import nas.tasks
from nas.errors import UserError

SMALL = {"size": 32, "train": 4, "validation": 2, "test": 2, "captures": 6}


def test_every_split_has_subjects_of_its_own():
    task = nas.tasks.load("spoofing", **SMALL)
    subjects = [set(task.dataset(split).subjects) for split in task.splits]
    assert list(map(len, subjects)) == [4, 2, 2]
    assert len(set.union(*subjects)) == 8
    assert not task.check().problems


def test_a_third_of_the_captures_is_live_and_every_attack_is_there():
    data = nas.tasks.load("spoofing", **SMALL, mislabelled=0).dataset("train")
    assert data.targets.float().mean() == pytest.approx(1 / 3)
    counts = {attack: data.attacks.count(attack) for attack in set(data.attacks)}
    assert counts == {"": 8, "print": 4, "screen": 4, "mask": 4, "cutout": 4}
    labels = [int(attack == "") for attack in data.attacks]
    assert data.targets.tolist() == labels


def test_the_seed_decides_every_pixel():
    first, again, other = (
        nas.tasks.load("spoofing", **SMALL, seed=seed).dataset("test").images for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_selection_keeps_its_faces():
    source = nas.tasks.load("spoofing", **SMALL).sources["train"]
    chosen = source.select(np.array([7, 3]))
    assert torch.equal(chosen.tensors[0], source.tensors[0][[7, 3]])
    assert chosen.subjects == (source.subjects[7], source.subjects[3])
    assert chosen.digest != source.digest


def test_a_share_of_the_labels_of_train_alone_is_wrong():
    options = {**SMALL, "train": 40, "test": 10}
    true, given = (nas.tasks.load("spoofing", **options, mislabelled=share) for share in (0, 0.25))
    wrong = true.dataset("train").targets != given.dataset("train").targets
    assert wrong.float().mean() == pytest.approx(0.25, abs=0.06)
    assert torch.equal(true.dataset("train").images, given.dataset("train").images)
    assert true.fingerprint != given.fingerprint
    for split in ("validation", "test"):
        assert torch.equal(true.dataset(split).targets, given.dataset(split).targets)


def test_faces_that_are_labelled_live_are_no_attack():
    data = nas.tasks.load("spoofing", **SMALL, mislabelled=0.4).dataset("train")
    assert all(
        not attack for attack, label in zip(data.attacks, data.targets, strict=True) if label
    )


def test_flat_attacks_have_the_depth_of_a_plane_and_live_faces_stand_out():
    data = nas.tasks.load("spoofing", **SMALL, mislabelled=0).dataset("train")
    middle = data.images[:, 3, 10:22, 12:20].float()
    spread = torch.stack([image.flatten().quantile(0.9) - image.median() for image in middle])
    shown = np.array([attack or "live" for attack in data.attacks])
    flat = torch.from_numpy(np.isin(shown, ("print", "screen")))
    assert spread[flat].max() < spread[torch.from_numpy(shown == "live")].min()


def test_options_are_checked():
    with pytest.raises(UserError, match="captures"):
        nas.tasks.load("spoofing", captures=5)
    with pytest.raises(UserError, match="mislabelled"):
        nas.tasks.load("spoofing", mislabelled=0.5)


def error_rate(channels: slice, task) -> float:
    """ACER on validation of a small network that was trained on some channels."""
    torch.manual_seed(0)
    sizes, layers = (len(range(5)[channels]), 16, 32), []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 2)]
    network = nn.Sequential(*layers)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    train, validation = (task.dataset(split) for split in ("train", "validation"))
    images = train.images[:, channels] / 128 - 1
    for _ in range(12):
        for rows in torch.randperm(len(images)).split(20):
            loss = functional.cross_entropy(network(images[rows]), train.targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        accepted = network.eval()(validation.images[:, channels] / 128 - 1).argmax(1) == 1
    live = validation.targets == 1
    far, frr = accepted[~live].float().mean(), (~accepted[live]).float().mean()
    return float(far + frr) / 2


def test_colour_alone_stays_well_behind_all_modalities():
    task = nas.tasks.load("spoofing", size=32, train=60, validation=15)
    every, colour = error_rate(slice(0, 5), task), error_rate(slice(0, 3), task)
    assert every < 0.12
    assert colour > max(0.15, every + 0.05)
