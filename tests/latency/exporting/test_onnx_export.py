from __future__ import annotations

import collections
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import ExportError, LatencyError, check_onnx, export_onnx
from nas.vision_libraries import timm

SHAPE = (1, 3, 24, 32)
FOUR_CHANNELS = (1, 4, 6, 8)


class ManyOutputs(nn.Module):
    """A timm encoder whose four maps are joined at the finest stride."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = timm.create_model(
            "mobilenetv2_100", features_only=True, pad_type="same", out_indices=(1, 2, 3, 4)
        )
        channels = self.encoder.feature_info.channels()
        self.adapters = nn.ModuleList(nn.Conv2d(c, 8, 1) for c in channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = [adapt(x) for adapt, x in zip(self.adapters, self.encoder(image), strict=True)]
        size = maps[0].shape[-2:]
        return torch.cat([F.interpolate(x, size=size, mode="bilinear") for x in maps], dim=1)


class Unexportable(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(image)


def test_the_graph_computes_what_the_network_computes(segmenter, onnx_file):
    assert check_onnx(segmenter, onnx_file, SHAPE) < 1e-5


def test_an_encoder_with_same_padding_is_right_at_an_oblong_size(tmp_path):
    torch.manual_seed(0)
    network = ManyOutputs()
    shape = (1, 3, 120, 160)
    path = export_onnx(network, shape, tmp_path / "encoder.onnx")
    assert check_onnx(network, path, shape) < 1e-4
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert kinds <= {"Conv", "Clip", "Add", "Resize", "Concat", "Pad"}


def test_the_file_is_plain_onnx_with_batch_norm_and_shapes_folded(onnx_file):
    model = onnx.load(onnx_file)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    kinds = collections.Counter(node.op_type for node in model.graph.node)
    assert kinds == {"Conv": 4, "Clip": 1, "Relu": 1, "GlobalAveragePool": 1, "Resize": 2, "Add": 1}


def test_names_and_shapes_of_input_and_output(onnx_file):
    graph = onnx.load(onnx_file).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"image": [1, 3, 24, 32], "logits": [1, 5, 24, 32]}


def test_one_file_appears_and_nothing_is_printed(segmenter, tmp_path, capfd, recwarn):
    path = export_onnx(segmenter, SHAPE, tmp_path / "new" / "network.onnx")
    assert [entry.name for entry in path.parent.iterdir()] == ["network.onnx"]
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []


def test_the_model_is_left_as_it_was(segmenter, tmp_path):
    segmenter.train()
    state = {name: value.clone() for name, value in segmenter.state_dict().items()}
    path = export_onnx(segmenter, SHAPE, tmp_path / "network.onnx")
    check_onnx(segmenter, path, SHAPE)
    assert all(module.training for module in segmenter.modules())
    assert all(parameter.requires_grad for parameter in segmenter.parameters())
    assert all(torch.equal(value, state[name]) for name, value in segmenter.state_dict().items())


def test_a_model_that_is_exported_without_a_copy_is_left_as_it_was(segmenter, tmp_path):
    segmenter.eval()
    before = {name: value.clone() for name, value in segmenter.state_dict().items()}
    export_onnx(segmenter, SHAPE, tmp_path / "network.onnx")
    after = segmenter.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.requires_grad for parameter in segmenter.parameters())
    assert not any(module._forward_hooks for module in segmenter.modules())


def test_a_channels_last_model_is_exported(segmenter, tmp_path):
    segmenter.to(memory_format=torch.channels_last)
    path = export_onnx(segmenter, SHAPE, tmp_path / "network.onnx")
    assert check_onnx(segmenter, path, SHAPE) < 1e-5


def test_another_network_is_found_out(segmenter, onnx_file):
    nn.init.constant_(segmenter.classifier.bias, 7.0)
    with pytest.raises(ExportError, match="outputs differ from PyTorch's by up to 7"):
        check_onnx(segmenter, onnx_file, SHAPE)


def test_a_network_that_gives_nan_is_found_out(segmenter, onnx_file):
    nn.init.constant_(segmenter.classifier.bias, float("nan"))
    with pytest.raises(ExportError, match="by up to nan"):
        check_onnx(segmenter, onnx_file, SHAPE)


def test_large_outputs_may_differ_by_as_large_a_share(tmp_path):
    network = nn.Conv2d(3, 2, 1, bias=False)
    nn.init.constant_(network.weight, 1e4)
    path = export_onnx(network, (1, 3, 4, 4), tmp_path / "large.onnx")
    nn.init.constant_(network.weight, 1e4 * (1 + 5e-5))
    # Of the largest image, ones in three channels.
    assert check_onnx(network, path, (1, 3, 4, 4)) > 1
    nn.init.constant_(network.weight, 1e4 * (1 + 2e-4))
    with pytest.raises(ExportError, match="outputs differ"):
        check_onnx(network, path, (1, 3, 4, 4))


def test_an_output_of_another_shape_is_found_out(onnx_file):
    with pytest.raises(ExportError, match=r"\(1, 5, 24, 32\).*\(1, 3, 24, 32\)"):
        check_onnx(nn.Identity(), onnx_file, SHAPE)


def test_an_operation_that_onnx_lacks_is_named_and_the_old_file_kept(tmp_path: Path, capfd):
    path = tmp_path / "network.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ExportError, match=r"cannot be exported.*bessel_j0"):
        export_onnx(Unexportable(), SHAPE, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("opset", [16, 17, 18, 20])
def test_a_file_is_of_the_opset_asked_for(segmenter, tmp_path, opset):
    path = export_onnx(segmenter, SHAPE, tmp_path / "network.onnx", opset=opset)
    assert [entry.version for entry in onnx.load(path).opset_import] == [opset]
    assert check_onnx(segmenter, path, SHAPE) < 1e-5


@pytest.mark.parametrize("opset", [9, 99])
def test_an_unknown_opset_is_refused(segmenter, tmp_path, opset):
    with pytest.raises(ExportError, match="use 16 to 20"):
        export_onnx(segmenter, SHAPE, tmp_path / "network.onnx", opset=opset)


def test_a_missing_file_is_named(segmenter, tmp_path):
    with pytest.raises(LatencyError, match=r"absent\.onnx: no such file"):
        check_onnx(segmenter, tmp_path / "absent.onnx", SHAPE)


class Steps(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.function(image)


@pytest.mark.parametrize("opset", [17, 18])
def test_a_network_takes_any_batch(segmenter, tmp_path, opset):
    path = tmp_path / "open.onnx"
    export_onnx(segmenter, (1, 3, 24, 32), path, opset=opset, dynamic_batch=True)
    for batch in (1, 2, 5):
        assert check_onnx(segmenter, path, (batch, 3, 24, 32)) < 1e-5


def test_only_the_batch_is_open(segmenter, tmp_path):
    path = export_onnx(segmenter, (7, 3, 24, 32), tmp_path / "open.onnx", dynamic_batch=True)
    graph = onnx.load(path).graph
    (image,), (logits,) = (
        [
            [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
            for value in values
        ]
        for values in (graph.input, graph.output)
    )
    assert image == ["batch", 3, 24, 32]
    assert logits[0] == "batch"


@pytest.mark.parametrize(
    "function",
    [
        lambda image: image.flatten(1),
        lambda image: image.reshape(image.shape[0], 2, 2, 6, 8).transpose(1, 2),
        lambda image: image.reshape(image.shape[0], -1, 8) @ image.reshape(image.shape[0], 8, -1),
        lambda image: image + image.mean((2, 3), keepdim=True).expand(-1, -1, 6, 8),
    ],
)
def test_reshaping_keeps_the_batch(function, tmp_path):
    network = Steps(function)
    path = export_onnx(network, FOUR_CHANNELS, tmp_path / "open.onnx", dynamic_batch=True)
    assert check_onnx(network, path, (3, *FOUR_CHANNELS[1:])) < 1e-5


@pytest.mark.parametrize(
    "function",
    [
        lambda image: image * image.shape[0],
        lambda image: torch.cat([torch.zeros(image.shape[0], 1, 6, 8), image], dim=1),
    ],
)
def test_what_depends_on_the_batch_is_refused_and_the_old_file_kept(function, tmp_path):
    path = tmp_path / "open.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ExportError, match="does not take batches of any size, so export it with"):
        export_onnx(Steps(function), FOUR_CHANNELS, path, dynamic_batch=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
