"""``nas distill``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.api.arguments import length
from nas.api.folders import default_run
from nas.cli.values import assignments, given, names_in, with_assigned
from nas.errors import UserError

_NEEDED = {
    key: f"--{key.partition('.')[0]} is missing; give it, or a --config that holds it."
    for key in ("task", "model.name", "teacher")
}


def distill(
    task: Annotated[
        str | None, typer.Option(help="Built-in task, a folder of images, or a task's YAML file.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images.")] = None,
    model: Annotated[str | None, typer.Option(help="The student: a timm network.")] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Inputs that the network takes, for example rgb,depth.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, none or a file.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="A run of nas train, or a model file.")
    ] = None,
    teacher_model: Annotated[
        str | None,
        typer.Option(
            help="timm network whose weights the teacher's file holds (.safetensors, .pth)."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Distillation loss; repeat for several. Default: dist for classes and soft_target "
            "for masks."
        ),
    ] = None,
    weight: Annotated[float | None, typer.Option(help="Weight of the loss.")] = None,
    ratio: Annotated[
        float | None,
        typer.Option(help="Alternative to --weight: r / (1 - r) if r is below 1, else r."),
    ] = None,
    balance: Annotated[
        float | None,
        typer.Option(
            help="Measure the weight: length of the loss's gradient at the start, as a multiple of "
            "that of the labels."
        ),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE for the loss, for example temperature=4.")
    ] = None,
    student_place: Annotated[
        str | None,
        typer.Option(help="Where in the student: a module path, stride=16, penultimate or logits."),
    ] = None,
    teacher_place: Annotated[
        str | None, typer.Option(help="Where in the teacher; as in the student unless given.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with any of the settings, stages included.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Folder; default: runs/MODEL-METHOD.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Train for about this long, for example 2h, in place of --epochs."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the first training.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of trainings, each with its own seed.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.")] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            help="Where to show it: tensorboard, mlflow, wandb, or an own one; repeat for several.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE for any setting.")
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUES: train with every value of a setting, such as "
            "distill.weight=0.1:0.9:0.1; repeat for combinations."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Local worker processes of a sweep; default: 1.")
    ] = None,
    list_losses: Annotated[
        bool, typer.Option("--list", help="List the losses with their papers.")
    ] = False,
) -> None:
    """Train a network with distillation from a teacher; an interrupted training is resumed."""
    if list_losses:
        _list()
        return
    from nas.cli.experiments import run as run_experiment

    methods = method or []
    single = {
        "weight": weight,
        "ratio": ratio,
        "balance": balance,
        "option": option,
        "student-place": student_place,
        "teacher-place": teacher_place,
    }
    _require_one_method(methods, single)
    values = given(
        {
            "task": task,
            "data": str(data) if data else None,
            "model.name": model,
            "model.inputs": names_in(inputs, "--inputs"),
            "model.weights": weights,
            "teacher": str(teacher) if teacher else None,
            "teacher_model.name": teacher_model,
            "losses": [_loss(name, single) for name in methods] or None,
            "seed": seed,
            "seeds": seeds,
            "device": device,
            "trackers": tracker,
        }
    ) | length(epochs, time)
    values = with_assigned(values, assignments(settings or ()))
    network = str(values.get("model.name", config.stem if config else "network"))
    # Of an import path, the name alone.
    names = [name.split(":")[-1] for name in methods] or ([] if config else ["distilled"])
    parts = [network, *names, *(["sweep"] if sweep else [])]
    folder = run or default_run("-".join(parts))
    run_experiment(values, folder, _NEEDED, config, sweep=sweep or (), workers=workers)


def _require_one_method(methods: list[str], single: dict[str, Any]) -> None:
    option = next((f"--{key}" for key, value in single.items() if value is not None), None)
    if option is not None and not methods:
        raise UserError(f"{option} belongs to a --method; give that too.")
    if option is not None and len(methods) > 1:
        raise UserError(
            f"{option} belongs to one --method, and there are {len(methods)}; give several losses "
            "with their weights in a --config."
        )


def _loss(method: str, single: dict[str, Any]) -> dict[str, Any]:
    values = given({key: single[key] for key in ("weight", "ratio", "balance")})
    values |= given({"student": single["student-place"], "teacher": single["teacher-place"]})
    return {"method": method, "options": assignments(single["option"] or (), "--option")} | values


def _list() -> None:
    from nas.distillation import describe
    from nas.report.experiments import losses_table
    from nas.terminal import plain_console

    plain_console().print(losses_table(describe()))
