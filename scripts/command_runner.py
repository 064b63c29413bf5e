"""Runs commands of the `nas` on PYTHONPATH one after the other, for `compare_versions.py`.

    python scripts/command_runner.py COMMANDS

The file is a JSON list of ``{"name", "arguments", "interrupt"}``. Each command runs as
``python -m nas`` would run it, in a process that is forked from this one, so that torch is imported
once. What it prints goes to ``output/NAME.txt``, its exit code to ``output/NAME.code``. A command
with "interrupt" gets a SIGINT as soon as it has printed that text.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path

OUTPUT = Path("output")


def main() -> None:
    """Runs the commands of the file."""
    commands = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path[0] = ""
    _import_ahead()
    OUTPUT.mkdir(exist_ok=True)
    gc.freeze()
    for command in commands:
        printed = OUTPUT / f"{command['name']}.txt"
        process = os.fork()
        if process == 0:
            _become(command["arguments"], printed)
        code = _wait(process, printed, command["interrupt"])
        printed.with_suffix(".code").write_text(f"{code}\n", encoding="utf-8")


def _import_ahead() -> None:
    # Of other people alone, as nas decides when it imports what, and nothing that starts threads.
    import alembic.runtime.environment  # noqa: F401
    import optuna  # noqa: F401
    import torch._dynamo  # noqa: F401


def _become(arguments: list[str], printed: Path) -> None:
    # A shell starts what runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    sys.argv = ["nas", *arguments]
    code: object = 0
    try:
        runpy.run_module("nas", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    # Python's own way out takes seconds where so much is imported.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else bool(code))


def _wait(process: int, printed: Path, interrupt: str | None) -> int:
    while interrupt:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if printed.exists() and interrupt in printed.read_text(encoding="utf-8"):
            os.kill(process, signal.SIGINT)
            break
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    main()
