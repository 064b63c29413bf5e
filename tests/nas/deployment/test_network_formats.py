"""Trained networks in the formats of other runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import nas
import nas.tasks
from latency.exporting.formats import create_format
from nas.deployment.delivery import deliver, targets, task_if_known
from nas.deployment.formats import FormatOptions
from nas.deployment.model_card import write_card
from nas.deployment.trained_network import trained_network
from nas.errors import UserError
from nas.files import write_json
from nas.kinds import kind_of
from nas.kinds.network_file import NetworkDescription, save_network
from nas.models.classifiers import ClassifierSettings
from nas.models.face_settings import FaceNetworkSettings

PROGRAM = "torch.export"
OPTIONS = {"size": 8, "train": 40, "validation": 30, "test": 20}


@pytest.fixture(scope="module")
def task():
    return nas.tasks.load_classification("digits", **OPTIONS)


@pytest.fixture
def folder(task, tmp_path) -> Path:
    description = NetworkDescription.of(ClassifierSettings(name="convnet_small"), task)
    torch.manual_seed(0)
    save_network(description.build(), description, tmp_path / "model.safetensors")
    scores = {"f1": dict.fromkeys(task.classes, 0.5)}
    record = {"validation": {"accuracy": 0.5, "scores": scores}}
    told = {"task": {"name": "digits", "data": None, "options": OPTIONS}}
    write_json(tmp_path / "metrics.json", record | told)
    return tmp_path


def test_files_are_compared_on_images_of_validation(folder, task) -> None:
    trained = trained_network(folder, None)
    known = task_if_known(trained)
    assert known is not None and known.fingerprint == task.fingerprint
    options = FormatOptions((PROGRAM, "onnx"))
    paths = targets(trained.path, options)
    found = deliver(trained, paths, options, known).exported
    assert found.failures == {} and found.notes == []
    for facts in found.files.values():
        assert facts["images"] == 8 and facts["largest_difference"] < 1e-4
    onnx = found.files[folder / "model.onnx"]
    assert onnx["latency"]["device"]["engine"] == "onnxruntime"
    assert onnx["size"] == (folder / "model.onnx").stat().st_size
    assert found.files[folder / "model.pt2"]["latency"] is None


def test_a_file_with_preprocessing_takes_images_as_they_are(folder, task) -> None:
    found = nas.export(folder, PROGRAM, preprocess="nhwc")
    path = found.files[PROGRAM]
    assert path == folder / "model-nhwc.pt2"
    images = task.dataset("validation").images[:1]
    opened = create_format(PROGRAM).open(path)
    logits = opened.run(images.permute(0, 2, 3, 1).contiguous().numpy())
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (task.mean, task.std))
    with torch.inference_mode():
        expected = nas.load(folder)((images.float() / 255 - mean) / std)
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)


def test_what_differs_from_pytorch_is_refused_and_the_old_file_stays(folder) -> None:
    old = folder / "model.pt2"
    old.write_text("of an earlier export")
    with pytest.raises(UserError, match=r"torch\.export: its outputs differ from PyTorch's by up"):
        nas.export(folder, PROGRAM, tolerance=1e-12)
    assert old.read_text() == "of an earlier export"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("metrics.json", "model.pt2", "model.safetensors"),
    ]


def test_noise_stands_in_for_images_that_are_not_there(folder) -> None:
    (folder / "metrics.json").unlink()
    found = nas.export(folder, PROGRAM)
    facts = json.loads((folder / "exports.json").read_text())["files"]["model.pt2"]
    assert facts["images"] == 0 and facts["largest_difference"] < 1e-4
    assert "on noise" in found.card.read_text()


def test_the_record_keeps_earlier_files_and_forgets_those_that_are_gone(folder) -> None:
    nas.export(folder, PROGRAM)
    nas.export(folder, PROGRAM, preprocess="nchw")
    (folder / "model.pt2").unlink()
    nas.export(folder, PROGRAM, preprocess="nhwc")
    files = json.loads((folder / "exports.json").read_text())["files"]
    assert list(files) == ["model-nchw.pt2", "model-nhwc.pt2"]


def test_the_card_tells_what_a_user_of_the_files_needs(folder) -> None:
    found = nas.export(folder, PROGRAM)
    lines = found.card.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert "| network | convnet\\_small |" in lines
    count = sum(tensor.numel() for tensor in nas.load(folder).parameters())
    assert f"| parameters | {count:,} |" in lines
    assert "| data | digits (classification): 40 train, 30 validation, 20 test images |" in lines
    assert "| class | f1, validation |" in lines and "| 7 | 0.5000 |" in lines
    assert any("float32, NCHW, 1x3x8x8: red, green, blue" in line for line in lines)
    assert any(line.startswith("| model.pt2 | torch.export |") for line in lines)


def test_names_in_the_card_are_no_markup(folder) -> None:
    trained = trained_network(folder, None)
    nas.export(folder, PROGRAM)
    classes = ("<script>", "a|b", *trained.description.classes[2:])
    odd = trained.description.model_copy(update={"classes": classes})
    card = write_card(type(trained)(trained.path, trained.network, odd), folder)
    assert "&lt;script&gt;, a\\|b, 2" in card.read_text()
    assert "<script>" not in card.read_text()


def test_a_network_of_several_inputs_takes_their_channels_alone(tmp_path) -> None:
    task = nas.tasks.load("spoofing", size=16, train=2, validation=1, test=1, captures=6)
    kind = kind_of(task)
    settings = FaceNetworkSettings(name="convnet_small", inputs=("ir", "rgb"))
    settings = kind.as_trained(settings, task)
    file = tmp_path / "model.safetensors"
    save_network(kind.create(settings, task), NetworkDescription.of(settings, task), file)
    trained = trained_network(file, task)
    options = FormatOptions((PROGRAM,), "nchw")
    found = deliver(trained, targets(file, options), options, task).exported
    (facts,) = found.files.values()
    assert facts["input"]["shape"] == [1, 4, 16, 16]
    assert facts["input"]["channels"] == [4, 0, 1, 2]
    assert facts["images"] > 0


@pytest.mark.parametrize(
    ("names", "out", "message"),
    [
        ((PROGRAM,), "net.onnx", r"--out net\.onnx: the name has to end in \.pt2\."),
        ((PROGRAM, "onnx"), "net.onnx", r"net\.onnx: several formats go into a folder; name one"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(names, out, message) -> None:
    with pytest.raises(UserError, match=message):
        targets(Path("model.safetensors"), FormatOptions(names), Path(out))
