from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nas

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "python.md"
SEARCH = [
    *("search", "--task", "digits", "--space", "nasbench201", "--no-distillation"),
    *("--trials", "2", "--seed", "1", "--run", "run", "--set", "task_options.size=8"),
    *("--set", "space.options={cells: 1, channels: 4}", "--set", "evaluation.training.epochs=1"),
]


def python(folder, *arguments, cache=None):
    """Runs Python as a user would, from another folder than that of the project."""
    kept = str(cache or folder / "cache")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NAS_CACHE": kept}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_data_set_and_a_model_of_ones_own(tmp_path):
    out = python(tmp_path, ROOT / "examples" / "own_dataset.py")
    assert "torch.Size([1, 3])" in out


def test_grey_images_keep_one_channel_until_int8(tmp_path):
    out = python(tmp_path, ROOT / "examples" / "grey_images.py")
    assert "input of the ONNX file: [1, 1, 32, 32]" in out
    assert "int8: model.int8.onnx" in out


def test_the_reference_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", REFERENCE.read_text(), flags=re.DOTALL)
    (tmp_path / "reference.py").write_text(code)
    assert "accuracy" in python(tmp_path, "reference.py")


def test_the_reference_names_all_that_is_public():
    listed = re.findall(r"^\| `nas\.(\w+)`", REFERENCE.read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(nas.__all__)


@pytest.mark.parametrize(
    ("options", "saved"),
    [
        (["--penalty", "{}/own_cost.py:Depth"], "cost: depth"),
        (["--set", "reward.metric={}/own_metric.py:informedness"], "own_metric.py:informedness"),
        (["--workers", "2", "--set", "executor={}/own_executor.py:OneByOne"], "own_executor.py"),
        (["--space", "{}/own_space.py:TinySpace"], "own_space.py:TinySpace"),
        (["--controller", "{}/own_controller.py:Greedy"], "own_controller.py:Greedy"),
        (["--task", "{}/own_task.py:stripes"], "own_task.py:stripes"),
    ],
    ids=["cost", "metric", "executor", "space", "controller", "task"],
)
def test_what_is_a_users_own_searches_resumes_and_is_read(tmp_path, options, saved):
    own = [option.format(ROOT / "examples") for option in options]
    base = list(SEARCH)
    for flag in ("--space", "--task"):
        if flag in own:
            del base[base.index(flag) : base.index(flag) + 2]
    if "--task" in own:
        del base[base.index("task_options.size=8") - 1 : base.index("task_options.size=8") + 1]
    if "--space" in own:
        place = base.index("space.options={cells: 1, channels: 4}")
        del base[place - 1 : place + 1]
    python(tmp_path, "-m", "nas", *base, *own)
    assert saved in (tmp_path / "run" / "config.yaml").read_text()
    # From another folder, by what the run has saved alone.
    (tmp_path / "elsewhere").mkdir()
    resume = ["search", "--resume", "--run", "../run", "--trials", "3"]
    python(tmp_path / "elsewhere", "-m", "nas", *resume, cache=tmp_path / "cache")
    assert "3 of 3 complete" in python(tmp_path, "-m", "nas", "status", "run")
