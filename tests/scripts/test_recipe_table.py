"""Recipes side by side, on the smallest trainings."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "recipe_table.py"


def test_every_recipe_has_a_row_and_its_own_run(tmp_path, monkeypatch, capsys):
    options = ["--task", "digits", "--run", str(tmp_path), "--model", "convnet_small"]
    options += ["--epochs", "1", "--seeds", "1", "--device", "cpu"]
    options += ["--recipe", "adamw 3e-3", "--recipe", "sgd .05"]
    options += ["--task-option", "size=8", "--task-option", "train=40"]
    options += ["--task-option", "validation=40", "--task-option", "test=40"]
    monkeypatch.setattr(sys, "argv", ["recipe_table.py", *options])
    runpy.run_path(str(SCRIPT))["main"]()
    printed = capsys.readouterr().out
    assert "adamw 3e-3" in printed and "sgd .05" in printed
    values = json.loads((tmp_path / "table.json").read_text())["1"]["convnet_small"]
    assert {name: len(found) for name, found in values.items()} == {"adamw 3e-3": 1, "sgd .05": 1}
