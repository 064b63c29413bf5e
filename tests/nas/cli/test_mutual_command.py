from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.errors import UserError

TINY = [
    *("--task", "digits", "--set", "task_options.size=8", "--set", "training.batch_size=512"),
    *("--set", "training.augmentation=none", "--epochs", "1", "--cut", "stage1"),
]


def test_the_command_prints_every_path_and_the_ensembles(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    given = ["mutual", "--models", "convnet_small,convnet_small", "--run", str(folder), *TINY]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "convnet_small/convnet_small-2" in result.output
    assert "paths, probabilities" in result.output
    evaluated = CliRunner().invoke(app, ["evaluate", str(folder), "--split", "test"])
    assert "Paths, test split" in evaluated.output
    listed = CliRunner().invoke(app, ["pareto", "list", str(folder), "--cost", "params"])
    assert "of 4 candidates" in listed.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--task", "digits"], "--models is missing"),
        (["--models", "resnet20,resnet32"], "--task is missing"),
        ([*TINY, "--models", "resnet20"], "--models resnet20: name two networks or more"),
        ([*TINY, "--models", "resnet20,resnet32", "--method", "both"], "method"),
    ],
)
def test_wrong_options_are_refused(given: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["mutual", "--run", str(tmp_path / "run"), *given])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
