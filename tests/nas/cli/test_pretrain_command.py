"""``nas pretrain``, and a search with what it made."""

from __future__ import annotations

from PIL import Image
from typer.testing import CliRunner

import nas
from nas.cli.app import app
from nas.errors import UserError
from nas.models.encoder import EncoderSettings, untrained_encoder
from nas.training.checkpoint import save_weights


def test_weights_of_a_pretraining_serve_a_search(tmp_path):
    photos, teacher = tmp_path / "photos", tmp_path / "teacher.safetensors"
    photos.mkdir()
    for number in range(20):
        Image.new("RGB", (32, 32), (number, 9 * number, 200)).save(photos / f"{number}.png")
    save_weights(untrained_encoder(EncoderSettings(name="lcnet_050")).backbone, teacher)
    command = ["pretrain", "--images", str(photos), "--size", "32x32", "--epochs", "1"]
    command += ["--encoder", "lcnet_035", "--teacher", "lcnet_050", "--run", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*command, "--teacher-weights", str(teacher)])
    assert result.exit_code == 0, result.output
    assert f"weights for --encoder-weights: {tmp_path / 'run'}" in result.output
    run = nas.search(
        "faces",
        space="nano",
        trials=1,
        run=tmp_path / "search",
        progress=False,
        config={
            "task_options": {"size": 32, "train": 8, "validation": 4, "test": 4},
            "space.options.encoders": ["lcnet_035"],
            "evaluation.encoder.weights": str(tmp_path / "run"),
            "evaluation.distillation.enabled": False,
            "evaluation.stage0.epochs": 1,
        },
    )
    assert len(run.trials()) == 1


def test_an_image_size_is_typed_as_height_and_width(tmp_path):
    result = CliRunner().invoke(app, ["pretrain", "--images", str(tmp_path), "--size", "32"])
    assert isinstance(result.exception, UserError)
    assert "--size '32': expected HEIGHTxWIDTH" in str(result.exception)
