"""``nas mutual``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.api.folders import default_run
from nas.cli.sentences import latency_sentences
from nas.cli.values import assignments, given, with_assigned
from nas.errors import UserError


def mutual(
    run: Annotated[
        Path | None, typer.Option(help="Folder for the networks; runs/METHOD-MODELS unless given.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Built-in task, a folder, or a task's YAML file."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Networks (for segmentation encoders), separated by commas: resnet34,resnet18."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with students and further settings.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="xml, dml or independent; xml unless given.")
    ] = None,
    cut: Annotated[
        str | None,
        typer.Option(help="Modules to cut after, separated by commas; layer2 unless given."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Of the updates: sequential or simultaneous.")
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(help="Match channels of trained networks before training: bmm, cosine or l2."),
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
    names = [name.strip() for name in models.split(",")] if models else []
    values = given(
        {
            "task": task,
            "data": str(data) if data else None,
            "students": [{"model": {"name": name}} for name in names] or None,
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
    if "students" not in values and not config:
        raise UserError("--models is missing; name two networks, such as resnet34,resnet18.")
    if len(names) == 1:
        raise UserError(f"--models {names[0]}: name two networks or more, separated by commas.")
    if "task" not in values and not config:
        raise UserError("--task is missing; name the data, for example --task digits.")
    if run is None and not names:
        raise UserError("--run is missing; name the folder, as there is no --models to name it by.")
    folder = run or default_run("-".join([method or "xml", *names]))

    from nas.api.mutual import run_mutual
    from nas.report.mutual import ensembles_table, paths_table
    from nas.terminal import plain_console, say

    with latency_sentences():
        found = run_mutual(values, folder, config=config)
    console = plain_console()
    console.print(paths_table(found.summary))
    console.print(ensembles_table(found.summary))
    say(f"run: {folder}")
