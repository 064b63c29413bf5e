from __future__ import annotations

import numpy as np
import pytest
import torch

import nas.tasks
from nas.deployment.int8 import Int8Options, OnnxNetwork, calibration_images


@pytest.fixture(scope="module")
def digits():
    return nas.tasks.load_classification("digits", size=8, train=20, validation=10, test=10)


def test_calibration_images_are_some_of_the_train_split_normalised(digits) -> None:
    found = calibration_images(digits, Int8Options(images=5))
    assert (found.dtype, found.shape) == (np.float32, (5, 3, 8, 8))
    assert found.flags["C_CONTIGUOUS"]
    mean, std = (np.array(v).reshape(3, 1, 1) for v in (digits.mean, digits.std))
    pixels = np.rint((found * std + mean) * 255).astype(np.uint8)
    known = {image.numpy().tobytes() for image in digits.dataset("train").images}
    chosen = [image.tobytes() for image in pixels]
    assert len(set(chosen)) == 5 and set(chosen) <= known


def test_their_choice_is_that_of_the_seed(digits) -> None:
    first, again, other = (calibration_images(digits, Int8Options(5, seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_there_are_no_more_than_the_split_has(digits) -> None:
    assert len(calibration_images(digits, Int8Options(images=999))) == 20


def test_a_file_takes_the_place_of_a_network() -> None:
    network = OnnxNetwork(lambda images: 2 * images)
    images = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(images), 2 * images)
