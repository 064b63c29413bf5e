from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer

from nas.cli.app import app

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "torchvision", "timm", "optuna", "matplotlib", "pymoo", "onnx", "numpy")
COMMANDS = ("search", "worker", "status", "pareto", "retrain", "train", "space", "task")


def test_help_lists_the_commands_without_importing_what_is_heavy() -> None:
    script = (
        "import sys, nas.cli\n"
        "sys.argv = ['nas', '--help']\n"
        "try:\n"
        "    nas.cli.main()\n"
        "finally:\n"
        f"    print('imported:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("imported: []\n")
    for command in COMMANDS:
        assert f"│ {command} " in done.stdout


def test_what_reads_runs_imports_nothing_that_builds_networks(finished_run) -> None:
    late = ("timm", "torchvision", "torch._dynamo", "matplotlib", "scipy")
    commands = (
        ["status", str(finished_run)],
        ["pareto", "list", str(finished_run)],
        ["runs", "list", str(finished_run.parent)],
    )
    script = (
        "import sys, nas.cli\n"
        f"for command in {commands}:\n"
        "    sys.argv = ['nas', *command]\n"
        "    try:\n"
        "        nas.cli.main()\n"
        "    except SystemExit as end:\n"
        "        assert not end.code\n"
        f"print('imported:', [name for name in {late} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("imported: []\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(nas, command) -> None:
    outcome = nas(command, "--help")
    assert outcome.code == 0
    assert outcome.out.split("Usage: ")[1].split("[")[0].endswith(f"nas {command} ")


@pytest.mark.parametrize(
    "arguments", [["--fast"], ["serch"], ["search", "--trials", "many"], ["pareto", "draw"]]
)
def test_what_cannot_be_parsed_is_wrong_use(nas, arguments) -> None:
    outcome = nas(*arguments)
    assert outcome.code == 2
    assert arguments[-1] in outcome.err or "--trials" in outcome.err


def test_debug_shows_the_traceback_before_the_sentence(nas, tmp_path) -> None:
    for arguments in (["--debug", "status"], ["status", "--debug"]):
        outcome = nas(*arguments, tmp_path / "none")
        assert outcome.code == 2
        assert outcome.err.startswith("Traceback (most recent call last)")
        assert outcome.err.endswith(f"nas: {tmp_path / 'none'}: no such run folder.\n")


def test_a_defect_ends_with_code_1_and_its_kind(nas, monkeypatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("search_spaces.names", fail)
    outcome = nas("space", "list")
    assert outcome.code == 1
    assert outcome.err == (
        "nas: ZeroDivisionError: division by zero (nas --debug ... shows the traceback)\n"
    )


@pytest.mark.parametrize(("number", "cause"), [(2, ""), (1, " by SIGHUP"), (15, " by SIGTERM")])
def test_a_signal_ends_a_command_with_its_number(nas, monkeypatch, tmp_path, number, cause) -> None:
    # What runs the tests may ignore it.
    before = signal.signal(number, signal.default_int_handler)
    monkeypatch.setattr("search_spaces.names", lambda: os.kill(os.getpid(), number))
    outcome = nas("space", "list")
    signal.signal(number, before)
    assert outcome.code == 128 + number
    assert outcome.err == f"nas: interrupted{cause}; what is finished is kept.\n"


def test_a_closed_output_ends_a_command_with_a_sentence() -> None:
    script = "import nas.cli, sys; sys.argv = ['nas', 'space', 'list']; nas.cli.main()"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    os.close(writing)
    assert done.returncode == 128 + 13
    assert done.stderr == "nas: the output was closed; what is finished is kept.\n"


def test_the_version_is_that_of_the_package(nas) -> None:
    outcome = nas("--version")
    assert (outcome.code, outcome.out) == (0, f"nas {metadata.version('nas-toolkit')}\n")


def test_bash_completes_options() -> None:
    # The name of the program, and so of the variable, is that of a process of its own.
    script = "import sys; sys.argv = ['nas']; from nas.cli import main; main()"
    typed = {
        "_NAS_COMPLETE": "complete_bash",
        "COMP_WORDS": "nas search --max-l",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["--max-latency"], done.stderr


def test_options_of_a_search_are_grouped_and_the_common_ones_come_first(nas, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = nas("search", "--help").out
    titles = [line[3:].rstrip("─╮ ") for line in shown.splitlines() if line.startswith("╭")]
    # The first one holds --help alone.
    assert titles[:3] == ["Options", "Common options", "What is searched"]
    for common in ("--data", "--trials", "--max-params", "--resume"):
        assert shown.index(f"│ {common} ") < shown.index("What is searched")


def test_where_files_go_is_an_option_of_the_same_names_everywhere() -> None:
    def commands(group):
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else (command,)

    found = {
        frozenset(option.opts)
        for command in commands(typer.main.get_command(app))
        for option in command.params
        if {"--out", "--output"} & set(option.opts)
    }
    assert found == {frozenset({"--out", "--output"})}
