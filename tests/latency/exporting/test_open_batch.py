from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn

from latency import ExportError, check_onnx, export_onnx

SHAPE = (1, 4, 6, 8)


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
    path = export_onnx(network, SHAPE, tmp_path / "open.onnx", dynamic_batch=True)
    assert check_onnx(network, path, (3, *SHAPE[1:])) < 1e-5


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
        export_onnx(Steps(function), SHAPE, path, dynamic_batch=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
