"""Networks in the formats of several runtimes; those that are not installed are passed over."""

from __future__ import annotations

import builtins
import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import latency
from latency import ExportError, LatencyError, UnavailableError
from latency.exporting.comparison import largest_difference
from latency.exporting.formats import FORMATS, create_format, format_names, register
from latency.exporting.formats.format import Format
from latency.exporting.formats.torch_program import TorchProgram
from latency.exporting.preprocessing import Preprocessed

MODULES = {
    "openvino": "openvino",
    "litert": "litert_torch",
    "coreml": "coremltools",
    "executorch": "executorch",
}
FACTS = {"classes": '["sky", "road"]'}
SIZE = (24, 32)


def _installed(name: str) -> Format:
    module = MODULES.get(name)
    if module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    return create_format(name)


@pytest.fixture
def preprocessed(segmenter: nn.Module) -> Preprocessed:
    return Preprocessed(segmenter, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)).eval()


@pytest.mark.parametrize("name", ["onnx", "torch.export", "openvino", "litert", "executorch"])
def test_a_file_gives_what_pytorch_gives(name, segmenter, tmp_path):
    kind, image = _installed(name), torch.randn(1, 3, *SIZE)
    path = tmp_path / f"model{kind.suffix}"
    kind.write(segmenter.eval(), image, path, FACTS)
    opened = kind.open(path)
    assert (opened.shape, opened.dtype) == ((1, 3, *SIZE), np.float32)
    assert largest_difference(segmenter, opened.run, [image, torch.zeros_like(image)]) < 1e-5
    assert sorted(tmp_path.iterdir()) == sorted(kind.files(path))


@pytest.mark.parametrize("name", ["onnx", "torch.export", "openvino", "litert", "executorch"])
def test_a_file_with_preprocessing_takes_pixels(name, preprocessed, tmp_path):
    kind = _installed(name)
    pixels = torch.randint(0, 256, (1, *SIZE, 3), dtype=torch.uint8)
    path = tmp_path / f"model{kind.suffix}"
    kind.write(preprocessed, pixels, path, FACTS)
    opened = kind.open(path)
    assert (opened.shape, opened.dtype) == ((1, *SIZE, 3), np.uint8)
    assert largest_difference(preprocessed, opened.run, [pixels]) < 1e-5


def test_core_ml_takes_arrays_or_with_preprocessing_images(segmenter, preprocessed, tmp_path):
    kind = _installed("coreml")
    import coremltools

    plain, image = tmp_path / "plain.mlpackage", tmp_path / "image.mlpackage"
    kind.write(segmenter.eval(), torch.zeros(1, 3, *SIZE), plain, FACTS)
    kind.write(preprocessed, torch.zeros(1, *SIZE, 3, dtype=torch.uint8), image, FACTS)
    described = [coremltools.utils.load_spec(str(path)).description for path in (plain, image)]
    assert list(described[0].input[0].type.multiArrayType.shape) == [1, 3, *SIZE]
    taken = described[1].input[0].type.imageType
    assert (taken.height, taken.width) == SIZE
    assert [one.output[0].name for one in described] == ["logits", "logits"]
    assert described[0].metadata.userDefined["classes"] == FACTS["classes"]


def test_images_of_core_ml_have_one_channel_or_three(tmp_path):
    kind = _installed("coreml")
    network = Preprocessed(nn.Conv2d(4, 2, 1), (0.5,) * 4, (0.5,) * 4).eval()
    with pytest.raises(ExportError, match="images of Core ML have 1 or 3 channels, not 4"):
        kind.write(network, torch.zeros(1, 8, 8, 4, dtype=torch.uint8), tmp_path / "m", {})


def test_onnx_and_torch_tell_of_their_network(segmenter, tmp_path):
    image = torch.zeros(1, 3, *SIZE)
    create_format("onnx").write(segmenter.eval(), image, tmp_path / "m.onnx", FACTS)
    (fact,) = onnx.load(tmp_path / "m.onnx").metadata_props
    assert (fact.key, fact.value) == ("classes", FACTS["classes"])
    create_format("torch.export").write(segmenter, image, tmp_path / "m.pt2", FACTS)
    told = {"classes": ""}
    torch.export.load(tmp_path / "m.pt2", extra_files=told)
    assert told == FACTS


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_converter_is_one_sentence(name, segmenter, tmp_path, monkeypatch):
    original = builtins.__import__

    def missing(module, *arguments, **options):
        if module.split(".")[0] == MODULES[name]:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return original(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    kind = create_format(name)
    monkeypatch.setattr(kind, "packages", ())
    with pytest.raises(
        UnavailableError, match=rf"not installed: pip install 'nas_toolkit\[{kind.extra}\]'\."
    ):
        kind.write(segmenter.eval(), torch.zeros(1, 3, *SIZE), tmp_path / "model", {})


def test_a_converter_for_another_pytorch_names_the_versions_that_work(monkeypatch):
    kind = create_format("executorch")
    monkeypatch.setattr(kind, "versions", lambda: {"torch": "2.6.0", "executorch": "1.5.1"})
    with (
        pytest.raises(
            UnavailableError,
            match=r"does not load here \(undefined symbol\); installed: torch 2\.6\.0, executorch "
            r"1\.5\.1; known to work: executorch 1\.5\.1 with torch 2\.13\.0\.",
        ),
        kind.imports(),
    ):
        raise ImportError("undefined symbol")


def test_what_a_converter_raises_is_one_sentence():
    kind = create_format("torch.export")
    with (
        pytest.raises(ExportError, match=r"cannot convert the network \(no such operator\); inst"),
        kind.conversion(),
    ):
        raise TypeError("no such operator\nand a page of its graph") from None


@pytest.mark.parametrize("name", ["torch.export", "openvino"])
def test_what_is_no_such_file_is_told(name, tmp_path):
    kind = _installed(name)
    path = tmp_path / f"model{kind.suffix}"
    path.write_bytes(b"nothing")
    with pytest.raises(LatencyError, match=r"this is no file of torch\.export|cannot load it"):
        kind.open(path)


def test_an_unknown_format_is_refused():
    with pytest.raises(LatencyError, match="no format 'onx'; did you mean 'onnx'"):
        create_format("onx")
    assert format_names() == ("onnx", "torch.export", "openvino", "litert", "coreml", "executorch")


def test_a_format_of_ones_own_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(FORMATS, "_registered", {})

    @register
    class Own(TorchProgram):
        name = "own"

    assert isinstance(create_format("own"), Own)
    with pytest.raises(ValueError, match=r"must be a subclass of latency\.exporting\.formats"):
        register("other")(dict)


def test_a_format_without_an_engine_is_not_measured(tmp_path):
    with pytest.raises(UnavailableError, match=r"no engine runs files of torch\.export"):
        latency.measure_exported(tmp_path / "model.pt2", "torch.export")


@pytest.mark.filterwarnings("ignore::latency.NoiseWarning")
def test_a_file_is_measured_by_the_engine_of_its_format(segmenter, tmp_path):
    path = Path(tmp_path, "model.onnx")
    create_format("onnx").write(segmenter.eval(), torch.zeros(1, 3, *SIZE), path, {})
    found = latency.measure_exported(path, "onnx", runs=20, attempts=1)
    assert found.input_shape == (1, 3, *SIZE)
    assert found.device.engine == "onnxruntime" and found.median_ms > 0
