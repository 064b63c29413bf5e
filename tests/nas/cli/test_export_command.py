from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nas.kinds.network_file import NetworkDescription, save_network
from nas.models.segmenters import SearchedSegmenterSettings
from nas.tasks import load_segmentation

FACES = {"size": 32, "train": 24, "validation": 8, "test": 8}
SET = [word for key, value in FACES.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def made(faces_cache, tmp_path_factory) -> Path:
    """A segmentation network that no run is known of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(faces_cache))
        task = load_segmentation("faces", **FACES)
    settings = SearchedSegmenterSettings(
        space="fastnas",
        space_options={"branches": 2, "cells": 1, "width": 8},
        genotype="[[2,[0,1,3,4]],[[1,0]]]",
        encoder={"name": "mobilenetv3_small_050", "weights": "none"},
    )
    description = NetworkDescription.of(settings, task)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("made")
    save_network(description.build(), description, folder / "model.safetensors")
    return folder


def test_a_network_is_written_and_says_how_it_is_fed(nas, made, tmp_path):
    out = tmp_path / "net.onnx"
    outcome = nas("export", made, "--opset", 17, "--dynamic-batch", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "│ image: Nx3x32x32, float32" in outcome.out
    assert "│ 0.485, 0.456, 0.406" in outcome.out
    assert outcome.out.splitlines()[-1] == f"onnx: {out}"
    assert json.loads(out.with_suffix(".json").read_text())["onnx"]["opset"] == 17


def test_int8_is_compared_on_the_images_that_are_named(nas, made, tiny, tmp_path):
    out = tmp_path / "net.onnx"
    outcome = nas(
        *("export", made, "--int8", "--int8-images", 6, "--out", out, "--task", "faces"),
        *("--device", "cpu", *SET),
    )
    assert outcome.code == 0, outcome.err
    record = json.loads(out.with_suffix(".json").read_text())
    before, after = record["test"]["macro"]["iou"], record["int8"]["test"]["macro"]["iou"]
    cells = [f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"]
    (row,) = (line for line in outcome.out.splitlines() if "mean IoU on test" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][1:] == cells
    assert outcome.out.splitlines()[-2:] == [f"onnx: {out}", f"int8: {tmp_path / 'net.int8.onnx'}"]


def test_the_int8_version_is_fine_tuned(nas, made, tiny, tmp_path):
    out = tmp_path / "net.onnx"
    outcome = nas(
        *("export", made, "--int8", "--qat", "--epochs", 1, "--int8-images", 6, "--out", out),
        *("--task", "faces", "--device", "cpu", *SET, "--set", "training.batch_size=8"),
    )
    assert outcome.code == 0, outcome.err
    int8 = json.loads(out.with_suffix(".json").read_text())["int8"]
    assert int8["fine_tuning"]["training"]["batch_size"] == 8
    (row,) = (line for line in outcome.out.splitlines() if "mean IoU on test" in line)
    found = [int8[key]["test"] if key else int8["test"] for key in ("before_tuning", "")]
    cells = [f"{scores['macro']['iou']:.4f}" for scores in found]
    assert [cell.strip() for cell in row.strip("│").split("│")][2:4] == cells


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--opset", 9], "opset 9 is not known; use 16 to 20."),
        (["--out", "net.pt"], "--out net.pt: the name has to end in .onnx."),
        (["--int8-images", 4], "--int8-images belongs to --int8; give both."),
        (["--int8", "--int8-images", 0], "int8 with 0 calibration images: give at least 1"),
        (["--to", "onnx", "--to", "onnx"], "format 'onnx' is named twice; name each once."),
        (["--to", "openvin"], "there is no format 'openvin'; did you mean 'openvino'?"),
        (["--to", "openvino", "--int8"], "--int8 is for ONNX alone; add --to onnx or leave it"),
        (["--to", "coreml", "--opset", 17], "--opset is for ONNX alone; add --to onnx or leave"),
        (["--preprocess", "nhwc", "--int8"], "--preprocess goes with neither --dynamic-batch nor"),
        (["--preprocess", "rgb"], "preprocessing 'rgb': use nhwc or nchw."),
        (["--tolerance", 0], "tolerance 0: give a share above 0, such as 0.001."),
        (["--to", "torch.export", "--out", "net.onnx"], "the name has to end in .pt2."),
        (["--anytime", "--to", "onnx"], "leave --path and the options of formats out."),
        (["--qat"], "--qat belongs to --int8; give both."),
        (["--int8", "--epochs", 2], "--epochs and --set training.KEY=VALUE belong to --qat"),
        (["--int8", "--set", "training.epochs=2"], "belong to --qat; give that too."),
        (
            ["--int8", "--qat", "--epochs", 2, "--set", "training.epochs=2"],
            "--epochs and --set training.epochs are the same; give one.",
        ),
        (["--int8", "--qat", "--path", "a/b"], "--qat is not for the networks of nas mutual"),
        (["--int8"], "no file beside it tells which images it was trained on; give --task."),
        (["--int8", "--task", "digits"], "a network for segmentation, and task 'digits' is one of"),
        (["--int8", "--task", "nowhere"], "no task or file 'nowhere'"),
    ],
)
def test_wrong_options(refused, made, options, message):
    assert message in refused("export", made, *options, watched=made)


def test_several_formats_go_into_a_folder_with_a_card(nas, made, tiny, tmp_path):
    outcome = nas(
        *("export", made, "--to", "onnx", "--to", "torch.export", "--out", tmp_path / "phone"),
        *("--task", "faces", *SET),
    )
    assert outcome.code == 0, outcome.err
    names = {"model.onnx", "model.json", "model.pt2", "exports.json", "model-card.md"}
    assert {file.name for file in (tmp_path / "phone").iterdir()} == names
    files = json.loads((tmp_path / "phone/exports.json").read_text())["files"]
    assert {facts["images"] for facts in files.values()} == {8}
    assert files["model.onnx"]["command"].startswith("nas ")
    card = (tmp_path / "phone/model-card.md").read_text()
    assert "| data | faces (segmentation): 24 train, 8 validation, 8 test images |" in card
    assert outcome.out.splitlines()[-1] == f"torch.export: {tmp_path / 'phone/model.pt2'}"


def test_a_format_that_fails_leaves_the_others(nas, made, tmp_path):
    failing = tmp_path / "own_format.py"
    failing.write_text(FAILING)
    old = tmp_path / "model.bin"
    old.write_text("of an earlier export")
    outcome = nas(
        *("export", made, "--to", f"{failing}:Failing", "--to", "torch.export", "--out", tmp_path)
    )
    assert outcome.code == 2
    assert outcome.err.strip() == "nas: the chip is not there."
    assert (tmp_path / "model.pt2").is_file()
    assert old.read_text() == "of an earlier export"
    assert "files are compared with PyTorch on noise" in outcome.out


FAILING = """
from latency.errors import ExportError
from latency.exporting.formats.format import Format


class Failing(Format):
    name, title, suffix = "failing", "Failing", ".bin"

    def write(self, network, image, path, metadata):
        path.write_text("half of it")
        raise ExportError("the chip is not there.")

    def open(self, path, threads=1):
        raise NotImplementedError
"""


def test_what_is_no_network(refused, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    assert "this is an ONNX file already" in refused("export", "model.onnx")
    assert "none: no such file or folder." in refused("export", "none")


def test_a_teacher_needs_its_task(refused, nas, tiny, tmp_path):
    teacher = tmp_path / "teacher"
    (teacher).mkdir()
    (teacher / "teacher.yaml").write_text("classes: []")
    (teacher / "model.safetensors").write_bytes(b"")
    assert "give --task." in refused("export", "teacher")
    line = refused("export", "teacher", "--task", "faces", *SET)
    assert "trained on other classes than those of task 'faces'" in line
