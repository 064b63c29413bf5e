"""``nas mutual``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.sentences import latency_sentences
from nas.cli.values import assignments, default_run, given, with_assigned
from nas.errors import UserError


def mutual(
    run: Annotated[
        Path | None, typer.Option(help="Folder for the networks; runs/METHOD-MODELS unless given.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="Built-in classification task, a folder, or a task's YAML file.")
    ] = "digits",
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    models: Annotated[
        str | None, typer.Option(help="Networks, separated by commas: resnet34,resnet18.")
    ] = None,
    method: Annotated[str, typer.Option(help="xml, dml or independent.")] = "xml",
    cut: Annotated[
        str | None,
        typer.Option(help="Modules to cut after, separated by commas; layer2 unless given."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Of the updates: sequential or simultaneous.")
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(help="Match channels before training: bmm, cosine or l2."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the first training.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many trainings; 1 unless given.")] = None,
    latency: Annotated[
        str | None, typer.Option(help="Device on which every path is measured, such as cpu.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE, for example normaliser=2K.")
    ] = None,
) -> None:
    """Train networks that learn from each other; every crossing of their parts is a network."""
    if models is None:
        raise UserError("--models is missing; name two networks, such as resnet34,resnet18.")
    names = [name.strip() for name in models.split(",")]
    values = given(
        {
            "task": task,
            "data": str(data) if data else None,
            "students": [{"model": {"name": name}} for name in names],
            "method": method,
            "cut": [one.strip() for one in cut.split(",")] if cut else None,
            "order": order,
            "matching.similarity": match,
            "training.epochs": epochs,
            "seed": seed,
            "seeds": seeds,
            "latency": latency,
            "device": device,
        }
    )
    values = with_assigned(values, assignments(settings or ()))
    folder = run or default_run("-".join([method, *names]))

    from rich.console import Console

    from nas.api import run_mutual
    from nas.report.mutual import ensembles_table, paths_table

    with latency_sentences():
        found = run_mutual(values, folder)
    console = Console()
    console.print(paths_table(found.summary))
    console.print(ensembles_table(found.summary))
    print(f"run: {folder}")
