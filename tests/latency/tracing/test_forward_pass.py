from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import LatencyError, count
from latency.tracing.forward_pass import trace, trace_by_module, trace_of_maps

SHAPE = (1, 4, 6, 8)


class Steps(nn.Module):
    """Any function as a network."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, values):
        return self.function(values)


def names(function) -> list[str]:
    return [call.name for call in trace(Steps(function), SHAPE).calls]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x + 1, ["add"]),
        (lambda x: 1 + x, ["add"]),
        (lambda x: x.add(x, alpha=2), ["add"]),
        (lambda x: torch.add(x, x), ["add"]),
        (lambda x: x.mul_(2), ["mul"]),
        (lambda x: torch.concat([x, x]), ["cat"]),
        (lambda x: F.relu(F.relu(x)), ["relu", "relu"]),
        (lambda x: x.flatten(2) @ x.flatten(2).mT, ["flatten", "flatten", "get", "matmul"]),
        (lambda x: x * torch.ones(2).sum(), ["mul"]),
        (lambda x: x.new_zeros(x.shape) + 1, []),
        (torch.zeros_like, []),
    ],
)
def test_calls_that_depend_on_the_input_are_noted(function, expected):
    assert names(function) == expected


def test_values_tell_who_reads_what():
    found = trace(Steps(lambda x: F.relu(x) + x), SHAPE)
    (image,), (relu, add) = found.inputs, found.calls
    assert relu.inputs == (image,)
    assert add.inputs == (relu.results[0], image)
    assert found.outputs == add.results
    assert relu.results[0] != image


def test_a_value_that_is_written_in_place_is_another_one():
    found = trace(Steps(lambda x: F.relu(x * 2, inplace=True) + 1), SHAPE)
    mul, relu, add = found.calls
    assert relu.inputs == mul.results
    assert add.inputs == relu.results != mul.results


def test_writing_rows_makes_another_value():
    def write(image):
        copied = image * 2
        copied[:, :, 0] = image[:, :, 1]
        return copied

    found = trace(Steps(write), SHAPE)
    assert [call.name for call in found.calls] == ["mul", "getitem", "setitem"]
    assert found.outputs == found.calls[-1].results


def test_shapes_are_those_of_a_real_run():
    def run(image):
        pooled = F.avg_pool2d(image, 2)
        up = F.interpolate(pooled, size=(5, 7), mode="bilinear")
        joined = torch.cat([up, up.mean((2, 3), keepdim=True).expand(-1, -1, 5, 7)], dim=1)
        return F.conv2d(joined, torch.zeros(3, 8, 3, 3), stride=2, padding=1) + torch.zeros(3, 1, 4)

    found = trace(Steps(run), SHAPE)
    assert found.outputs[0].shape == tuple(run(torch.zeros(SHAPE)).shape)


def test_an_addition_spreads_as_torch_spreads():
    found = trace(Steps(lambda x: x[:, :1, :, :1] + x[:, :, :1]), SHAPE)
    assert found.outputs[0].shape == (1, 4, 6, 8)


def test_macs_are_those_of_the_count():
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    found = trace(model, SHAPE)
    assert [call.macs for call in found.calls] == [6 * 4 * 9 * 24, 0, 0, 720]
    assert found.macs == count(model, SHAPE).macs


def test_paths_name_the_module_that_calls():
    inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
    found = trace_by_module(nn.Sequential(inner, Steps(lambda x: x + 1)), SHAPE)
    assert [call.path for call in found.calls] == ["0.0", "0.1", "1"]
    assert [call.path for call in trace(inner, SHAPE).calls] == ["", ""]


def test_the_model_is_left_as_it_was(segmenter):
    segmenter.train()
    seen = []
    segmenter.norm.register_forward_hook(lambda *_: seen.append("hook"))
    state = {name: value.clone() for name, value in segmenter.state_dict().items()}
    trace_by_module(segmenter, (1, 3, 24, 32))
    assert all(torch.equal(value, state[name]) for name, value in segmenter.state_dict().items())
    assert all(module.training for module in segmenter.modules())
    assert not any(module._forward_pre_hooks for module in segmenter.modules())
    assert (len(segmenter.norm._forward_hooks), seen) == (1, [])


def test_hooks_are_gone_even_where_the_network_fails():
    model = nn.Sequential(nn.Conv2d(3, 4, 1)).eval().to("meta")
    with pytest.raises(RuntimeError):
        trace_by_module(model, SHAPE)
    assert not model[0]._forward_pre_hooks and not model[0]._forward_hooks


def test_a_list_of_maps():
    found = trace_of_maps(Steps(lambda maps: maps[0] + maps[1]), [SHAPE, (1, 4, 1, 1)])
    assert [value.shape for value in found.inputs] == [SHAPE, (1, 4, 1, 1)]
    assert found.calls[0].inputs == found.inputs


def test_a_wrong_shape_is_refused():
    with pytest.raises(LatencyError, match="not four positive integers"):
        trace(nn.Identity(), (3, 8, 8))
