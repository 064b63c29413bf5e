from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from nas.training.cpu_faults import around_cpu_faults
from nas.training.trainer import EpochRecord, FitResult

TRAINING = """
import torch
from torch import nn
from nas.training.cpu_faults import around_cpu_faults

torch.manual_seed(0)
torch.set_num_threads(1)
network = nn.Sequential(nn.Conv2d({channels}, 16, 1, 2))
with around_cpu_faults(network):
    for _ in range(40):
        images = torch.randn(64, {channels}, 8, 8).contiguous(memory_format=torch.channels_last)
        network(images).square().mean().backward()
print(float(network[0].weight.grad.abs().max()) < 1e3)
"""


@pytest.mark.parametrize("channels", [3, 5])
def test_a_strided_convolution_of_one_pixel_leaves_the_memory_whole(channels):
    done = subprocess.run(
        [sys.executable, "-c", TRAINING.format(channels=channels)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


def test_depthwise_convolutions_are_trained_in_float32():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4), nn.Conv2d(4, 2, 1))
    images = torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    exact = network[0](images).detach()
    with around_cpu_faults(network), torch.autocast("cpu", dtype=torch.bfloat16):
        found, output = network[0](images), network(images)
    assert found.dtype == torch.float32
    assert torch.allclose(found, exact, atol=1e-6)
    assert output.dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network[0](images).dtype == torch.bfloat16


def test_results_and_modules_stay_as_they_are():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1, 2), nn.Conv2d(4, 4, 3, groups=4))
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        before = network(images)
        with around_cpu_faults(network):
            inside = network(images.contiguous(memory_format=torch.channels_last))
        assert torch.allclose(inside, before, atol=1e-6)
    assert not any("forward" in vars(module) for module in network.modules())


@pytest.mark.parametrize(
    ("losses", "learned"), [([2.0, 1.9], True), ([2.0, 2.1, 1.5, 3.0], True), ([2.0, 2.0], False)]
)
def test_a_training_whose_loss_never_falls_has_not_learned(losses, learned):
    history = tuple(EpochRecord(index, loss, 0.5, False) for index, loss in enumerate(losses))
    assert FitResult(history, history[0], {}).learned == learned


def test_a_single_epoch_tells_nothing():
    assert FitResult((EpochRecord(0, 2.0, 0.5, True),), EpochRecord(0, 2.0, 0.5, True), {}).learned
