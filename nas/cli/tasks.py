"""``nas task list | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Tasks (labelled images).", no_args_is_help=True)


@app.command("list")
def list_tasks() -> None:
    """Print the built-in tasks with their kinds."""
    import nas.tasks

    for name, kind in nas.tasks.kinds().items():
        print(f"{name:8} {kind}")


@app.command()
def check(
    task: Annotated[str, typer.Argument(help="Folder of images, YAML file, or built-in task.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
) -> None:
    """Check a data set: count images, sizes and classes, and list every bad file."""
    from rich.console import Console

    import nas.tasks
    from nas.report.tables import check_table

    report = nas.tasks.check(nas.tasks.load(task, data=data))
    Console().print(check_table(report))
    for problem in report.problems:
        print(problem)
    report.raise_if_bad()
