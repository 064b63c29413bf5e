from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import nas.tasks
from nas.distillation.places import find_path
from nas.errors import UserError
from nas.kinds.feeding import Feed, adapt
from nas.training.images import Normaliser


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load("digits", size=8, train=20, validation=20, test=20)


@pytest.fixture(scope="module")
def raw(task):
    """Images in 0 to 1."""
    return task.dataset("validation").images.float() / 255


def given(network, task):
    """What a network gives for the images as the task normalises them."""
    images = task.dataset("validation").images
    return network(Normaliser(task.mean, task.std)(images, torch.device("cpu")))


@pytest.mark.parametrize(
    ("mean", "std"), [((0.5, 0.4, 0.3), None), (None, (0.5, 0.4, 0.3)), ((0, 0, 0), (1, 1, 1))]
)
def test_images_are_normalised_as_the_network_wants_them(task, raw, mean, std):
    network = nn.Identity()
    feed = Feed(task.input_size, mean or task.mean, std or task.std)
    assert adapt(network, feed, task) == "images are normalised as it was trained"
    shape = (1, 3, 1, 1)
    wanted = (raw - torch.tensor(feed.mean).view(shape)) / torch.tensor(feed.std).view(shape)
    torch.testing.assert_close(given(network, task), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(16, 12), (4, 4)])
def test_images_are_resized_for_the_network(task, raw, size):
    network = nn.Identity()
    told = adapt(network, Feed(size, (0, 0, 0), (1, 1, 1)), task)
    assert told.startswith("images are resized from 8x8 to {}x{} and ".format(*size))
    wanted = functional.interpolate(raw, size, mode="bilinear", antialias=True)
    torch.testing.assert_close(given(network, task), wanted, atol=1e-5, rtol=1e-5)


def test_a_network_that_wants_the_images_as_they_are_gets_these_very_ones(task):
    network = nn.Identity()
    assert adapt(network, Feed.of(task), task) == ""
    images = torch.randn(2, 3, 8, 8)
    assert network(images) is images


def test_places_are_those_of_the_resized_images(task):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))
    network.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)])
    adapt(network, Feed((16, 16), task.mean, task.std), task)
    assert find_path(network, "stride=4", task.input_shape) == "1"


def test_other_channels_are_refused(task):
    with pytest.raises(UserError, match="it takes images of 1 channels, and those of task"):
        adapt(nn.Identity(), Feed((8, 8), (0.5,), (0.5,)), task)
