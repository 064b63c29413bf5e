"""The command in surroundings that a user did not choose: a batch log, a notebook, Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "nas", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_that_an_output_cannot_show_are_replaced(tmp_path, encoding):
    name = "runs/\u8449-\u00c4hre"
    done = run("status", tmp_path / name, PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    text = done.stderr.decode(encoding)
    assert ("\u00c4" if encoding != "ascii" else "?") in text
    assert "\u8449" not in text


def test_what_is_printed_to_such_an_output_ends_with_0(tmp_path):
    module = tmp_path / "own.py"
    module.write_text(
        "import nas.cli.tasks, nas.cli\n"
        "nas.cli.tasks.list_tasks.__globals__['say'] = lambda *a: print('\u8449')\n"
        "nas.cli.main()\n",
        encoding="utf-8",
    )
    command = [sys.executable, str(module), "task", "list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert set(done.stdout.split()) == {b"?"}


def test_pictures_ask_for_no_window(finished_run, tmp_path):
    where = tmp_path / "plots"
    done = run(
        *("pareto", "plot", finished_run, "--output", where, "--formats", "png"),
        MPLBACKEND="of_another_environment",
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(where.glob("*.png"))


def test_a_plot_folder_that_leads_elsewhere_is_refused(nas, own_run, tmp_path):
    (own_run / "plots").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (own_run / "plots").symlink_to(tmp_path / "elsewhere")
    outcome = nas("pareto", "plot", own_run)
    assert outcome.code == 2
    assert outcome.err.endswith("this is a link; name a folder for plots with --output.\n")
    assert not list((tmp_path / "elsewhere").iterdir())
