"""The command line as a whole: its commands, and how it ends.

Commands import what they need inside their function, so that ``nas --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from nas.cli import (
    allow,
    benchmark,
    distill,
    doctor,
    ensemble,
    evaluate,
    export,
    latency,
    mutual,
    pareto,
    predict,
    pretrain,
    report,
    retrain,
    runs,
    search,
    spaces,
    status,
    tasks,
    train,
    trust,
    worker,
)
from nas.errors import UserError
from nas.files import DiskFullError, is_disk_full
from nas.long_steps import show_in_log
from nas.searching import interrupts
from nas.terminal import ClosedOutputError, say

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130
_OF_A_SIGNAL = 128
"""What shells add to the number of a signal; 130 is Ctrl-C."""

app = typer.Typer(
    name="nas",
    help="Search for small networks for your device, with distillation from a large one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("search")(search.search)
app.command("worker")(worker.worker)
app.command("status")(status.status)
app.command("allow")(allow.allow)
app.command("doctor")(doctor.doctor)
app.add_typer(runs.app, name="runs")
app.add_typer(pareto.app, name="pareto")
app.command("report")(report.report)
app.command("retrain")(retrain.retrain)
app.command("trust")(trust.trust)
app.command("export")(export.export)
app.command("predict")(predict.predict)
app.command("pretrain")(pretrain.pretrain)
app.command("train")(train.train)
app.command("distill")(distill.distill)
app.command("mutual")(mutual.mutual)
app.command("evaluate")(evaluate.evaluate)
app.command("ensemble")(ensemble.ensemble)
app.command("benchmark")(benchmark.benchmark)
app.add_typer(latency.app, name="latency")
app.add_typer(spaces.app, name="space")
app.add_typer(tasks.app, name="task")

_DISTRIBUTION = "nas-toolkit"
_DEBUG = "--debug"
_CONTINUED = ("worker", "pretrain", "train", "distill", "mutual", "retrain", "trust")
"""Commands that go on where they stopped when they are repeated."""


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            say(f"nas {metadata.version(_DISTRIBUTION)}")
        except metadata.PackageNotFoundError:
            raise UserError(
                f"{_DISTRIBUTION} is not installed, so its version is unknown; run pip install ."
            ) from None
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show tracebacks; may stand anywhere on the command line.")
    ] = False,
) -> None:
    """Search for small networks for your device, with distillation from a large one."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    show_in_log()


def run() -> None:
    """Runs the command that was typed and exits: 0 done, 1 failed, 2 wrong use.

    A signal ends it with 128 and its number, and so does an output that is closed.
    """
    debugging = _DEBUG in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != _DEBUG]
    kept = f"what is finished is kept{_how_to_go_on(arguments)}."
    try:
        with interrupts.handled():
            app(arguments)
    except UserError as error:
        _end(error, WRONG_USE, debugging)
    except SystemExit as end:
        # Typer turns KeyboardInterrupt into this code, and says nothing.
        if end.code == INTERRUPTED:
            _interrupted(kept)
        raise
    except KeyboardInterrupt:
        _interrupted(kept)
    except ClosedOutputError as error:
        _say(f"{error}; {kept}")
        sys.exit(_OF_A_SIGNAL + signal.SIGPIPE)
    except Exception as error:  # noqa: BLE001  the end of the line: say it in a sentence
        _end(error, FAILED, debugging)


def _interrupted(kept: str) -> None:
    number = interrupts.received() or signal.SIGINT
    cause = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    _say(f"interrupted{cause}; {kept}")
    sys.exit(_OF_A_SIGNAL + number)


def _how_to_go_on(arguments: list[str]) -> str:
    command = next((one for one in arguments if not one.startswith("-")), "")
    if command == "search":
        return ": continue with --resume"
    return ": repeat the command to continue" if command in _CONTINUED else ""


def _end(error: Exception, code: int, debugging: bool) -> None:
    if debugging:
        traceback.print_exception(error)
    if is_disk_full(error) and not isinstance(error, UserError):
        # A writer that named no file; what it was is told by the system alone, if at all.
        error = DiskFullError(getattr(error, "filename", None) or Path.cwd())
        code = WRONG_USE
    text = " ".join(str(error).split()) or type(error).__name__
    known = isinstance(error, UserError) or type(error).__module__.startswith("nas.")
    if not known:
        text = f"{type(error).__name__}: {text} (nas --debug ... shows the traceback)"
    _say(text)
    sys.exit(code)


def _say(text: str) -> None:
    # The terminal may be closed.
    with contextlib.suppress(OSError, ClosedOutputError):
        say(f"nas: {text}", file=sys.stderr)
