"""The ``nas`` command: parse, call one function, print."""


def main() -> None:
    """Runs the command line; see `nas.cli.app.run`."""
    from nas.cli.app import run

    run()
