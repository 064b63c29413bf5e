"""A worker process: ``python -m nas.search.child RUN INDEX PARENT ASSEMBLY``.

It is started by `nas.search.local_processes`. People use ``nas worker``.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import cast

from nas.errors import UserError
from nas.search import interrupts
from nas.search.assembly import Assembly
from nas.search.exits import ExitCode
from nas.search.run_folder import RunFolder
from nas.search.stop import SearchError
from nas.search.worker import run_worker


def main(arguments: list[str]) -> int:
    """Runs one worker; the exit code tells the parent why it ended."""
    path, index, parent, assembly = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        with interrupts.handled():
            run_worker(
                RunFolder.open(Path(path)),
                int(index),
                load_assembly(assembly),
                # Without a parent nobody shows or respawns: finish the candidate in hand, then end.
                should_stop=lambda: os.getppid() != int(parent),
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return ExitCode.WRONG_USE
    except SearchError as error:
        print(error, file=sys.stderr)
        return ExitCode.STOPPED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def load_assembly(name: str) -> Assembly:
    """Imports an assembly by its path ``package.module:name``."""
    module, _, attribute = name.partition(":")
    return cast(Assembly, getattr(importlib.import_module(module), attribute))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
