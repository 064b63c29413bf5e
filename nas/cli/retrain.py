"""``nas retrain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.values import assignments, chosen_run, given

if TYPE_CHECKING:
    from nas.retraining.retrain import Choice


def retrain(
    run: Annotated[Path | None, typer.Argument(help="Run folder; the latest unless given.")] = None,
    best: Annotated[bool, typer.Option("--best", help="The trial of the highest reward.")] = False,
    trial: Annotated[
        list[int] | None, typer.Option(help="Number of a trial; repeat it for several.")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="Every trial on the front.")] = False,
    genotype: Annotated[str | None, typer.Option(help="Nested form of a genotype.")] = None,
    cost: Annotated[str | None, typer.Option(help="Cost on the other axis of the front.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    distillation: Annotated[
        bool, typer.Option("--distillation/--no-distillation", help="Learn from the teacher too.")
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    opset: Annotated[int, typer.Option(help="Opset of the ONNX file.")] = 18,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the training, for example batch_size=16."),
    ] = None,
) -> None:
    """Train candidates fully, report them on the test images, export them to ONNX, measure them."""
    from rich.console import Console

    from nas.report.tables import network_table, networks_table, score_table
    from nas.retraining.retrain import RetrainOptions
    from nas.retraining.selection import Selection, select
    from nas.search.run_folder import RunFolder

    folder = RunFolder.open(chosen_run(run))
    selection = Selection(best, tuple(trial or ()), front, genotype, cost)
    choices = select(folder, selection)
    values = given({"epochs": epochs}) | assignments(settings or ())
    options = RetrainOptions(_training(folder, values), distillation, device, opset, seed)
    results = [(choice.name, _retrain(folder, choice, options)) for choice in choices]
    console = Console()
    if len(results) == 1:
        name, metrics = results[0]
        console.print(score_table(metrics["test"], list(metrics["test"]["f1"])))
        console.print(network_table(name, metrics))
    else:
        console.print(networks_table(results))
    for choice in choices:
        print(f"network: {options.folder(folder, choice)}")


def _training(folder: Any, values: dict[str, Any]) -> Any:
    from nas.settings import validate
    from nas.training.fitting import FitSettings

    known = folder.config().retraining.model_dump()
    return validate(FitSettings, known | values, "retraining")


def _retrain(folder: Any, choice: Choice, options: Any) -> dict[str, Any]:
    from nas.cli.epochs import EpochProgress
    from nas.retraining.retrain import retrain as retrain_one

    with EpochProgress() as progress:
        return retrain_one(
            folder,
            folder.config(),
            choice,
            options,
            lambda record: progress.show(choice.name, record, options.training.epochs),
            progress.show,
        )
