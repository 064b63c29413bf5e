"""The ``nas`` command: parse, call one function, print."""

import io
import os
import sys


def main() -> None:
    """Runs the command line; see `nas.cli.app.run`."""
    # Threads that spin while they wait make everything several times slower as soon as a core is
    # shared with another process. OpenMP reads this once, before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Files are drawn without a window, and what a notebook names may not be installed here.
    os.environ["MPLBACKEND"] = "agg"
    for stream in (sys.stdout, sys.stderr):
        # Logs of batch systems and pipes on Windows do not know every character of a name.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from nas.cli import supervision
    from nas.cli.app import run

    if supervision.is_watched(sys.argv[1:]):
        supervision.watch(run)
    else:
        run()
