"""The ``nas`` command: parse, call one function, print."""

import os


def main() -> None:
    """Runs the command line; see `nas.cli.app.run`."""
    # Threads that spin while they wait make everything several times slower as soon as a core is
    # shared with another process. OpenMP reads this once, before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nas.cli.app import run

    run()
