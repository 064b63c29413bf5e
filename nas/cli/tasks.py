"""``nas task list | init | unpack | check | show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.terminal import say

app = typer.Typer(help="Tasks (labelled images).", no_args_is_help=True)


@app.command("list")
def list_tasks() -> None:
    """Print the built-in tasks with their kinds."""
    import nas.tasks

    for name, kind in nas.tasks.kinds().items():
        say(f"{name:8} {kind}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of images and their masks or classes.")],
) -> None:
    """Look at a folder, write its task.yaml, and tell what it was taken for."""
    import nas.tasks

    for sentence in nas.tasks.initialise(folder).sentences:
        say(sentence)


@app.command()
def unpack(
    dataset: Annotated[
        Path, typer.Argument(help="Folder that save_to_disk wrote, or with Parquet files.")
    ],
    folder: Annotated[Path, typer.Argument(help="New folder for images and labels.")],
    image: Annotated[
        str | None, typer.Option(help="Column of the images; default: the first of images.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column of masks or classes; default: found by its type and name."),
    ] = None,
) -> None:
    """Write a data set of Hugging Face as files, with a task.yaml."""
    import nas.tasks

    for sentence in nas.tasks.unpack(dataset, folder, image=image, label=label).sentences:
        say(sentence)


@app.command()
def check(
    task: Annotated[str, typer.Argument(help="Folder of images, YAML file, or built-in task.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
) -> None:
    """Check a data set: count images, sizes and classes, and list every bad file."""
    import nas.tasks
    from nas.report.tables import check_table
    from nas.terminal import plain_console

    report = nas.tasks.check(nas.tasks.load(task, data=data))
    plain_console().print(check_table(report))
    for sentence in (*report.problems, *report.notes):
        say(sentence)
    report.raise_if_bad()


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="Folder of images, YAML file, or built-in task.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "--out", help="The PNG file; default: NAME-sheet.png."),
    ] = None,
) -> None:
    """Draw a contact sheet: images with their masks or classes, a legend and numbers."""
    import nas.tasks
    from nas.report.contact_sheet import write_sheet

    say(write_sheet(nas.tasks.load(task, data=data), output))
