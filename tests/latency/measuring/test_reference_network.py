from __future__ import annotations

import onnx
import torch

from latency import check_onnx, count
from latency.measuring.reference_network import INPUT_SHAPE, reference_network, reference_onnx


def test_the_reference_is_the_same_every_time_and_draws_from_no_global_generator():
    state = torch.get_rng_state()
    first = reference_network().state_dict()
    torch.manual_seed(123)
    second = reference_network().state_dict()
    torch.set_rng_state(state)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_reference_has_the_work_that_it_names():
    large = 32 * 32 * (2 * 16 * 96 + 96 * 9)
    between = 16 * 16 * 16 * 64 * 9
    small = 16 * 16 * (2 * 64 * 256 + 256 * 9)
    macs = count(reference_network(), INPUT_SHAPE).macs
    assert macs == large + between + 3 * small == 33_325_056


def test_the_file_is_the_network(tmp_path):
    path = tmp_path / "reference.onnx"
    path.write_bytes(reference_onnx())
    assert onnx.load(path).graph.node
    assert check_onnx(reference_network(), path, INPUT_SHAPE) < 1e-5
