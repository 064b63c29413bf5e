"""``nas retrain``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.api.arguments import length
from nas.cli.export_options import DynamicBatch, Int8, Int8Images, Opset, export_options
from nas.cli.sentences import latency_sentences
from nas.cli.values import assignments, chosen_run, given, with_assigned
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from nas.deployment.selection import Choice
    from nas.retraining.options import RetrainStages
    from nas.searching.run_folder import RunFolder


def retrain(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest.")] = None,
    best: Annotated[
        bool, typer.Option("--best", help="The trial with the highest reward.")
    ] = False,
    trial: Annotated[
        list[int] | None, typer.Option(help="Trial number; repeat for several.")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="Every trial on the front.")] = False,
    genotype: Annotated[str | None, typer.Option(help="Genotype as text.")] = None,
    cost: Annotated[str | None, typer.Option(help="Cost axis of the front.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Train for about this long, for example 2h, in place of --epochs."),
    ] = None,
    distillation: Annotated[
        bool | None,
        typer.Option(
            "--distillation/--no-distillation",
            help="Also learn from the teacher; default: as in the search.",
        ),
    ] = None,
    distill_method: Annotated[
        list[str] | None,
        typer.Option(
            "--distill.method", help="Distillation loss; default: retraining_losses of the search."
        ),
    ] = None,
    distill_weight: Annotated[
        float | None, typer.Option("--distill.weight", help="Weight of that loss.")
    ] = None,
    stages: Annotated[
        Path | None, typer.Option(help="YAML file with a list of stages, each with its losses.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the images, if they moved.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--output",
            help="Folder for the network, and for several a folder in it each; default: retrain/ "
            "of the run.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    opset: Opset = 18,
    dynamic_batch: DynamicBatch = False,
    int8: Int8 = False,
    int8_images: Int8Images = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            help="Where to show it: tensorboard, mlflow, wandb, or an own one; repeat for "
            "several. Default: as the search.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE for the training, for example batch_size=16, or for the task, for "
            "example task_options.input_size=[360,480].",
        ),
    ] = None,
) -> None:
    """Train candidates in full, report test scores, export to ONNX and measure latency."""
    export = export_options(opset, dynamic_batch, int8, int8_images, seed)

    import nas.tracking
    from nas.deployment.selection import Selection, select
    from nas.retraining.options import RetrainOptions, image_search, parted, training_of
    from nas.searching.run_folder import RunFolder

    folder = RunFolder.open(chosen_run(run))
    config = image_search(folder, data)
    selection = Selection(best, tuple(trial or ()), front, genotype, cost)
    choices = select(folder, selection)
    values = with_assigned(length(epochs, time, section=""), assignments(settings or ()))
    values, task_options = parted(values)
    losses = [
        given({"method": method, "weight": distill_weight}) for method in distill_method or ()
    ]
    if distill_weight is not None and len(losses) != 1:
        raise UserError("--distill.weight belongs to exactly one --distill.method.")
    steps = _stages(stages, losses)
    options = RetrainOptions(
        training=training_of(config, values),
        distill=_distils(folder, steps) if distillation is None else distillation,
        losses=steps.losses,
        stages=steps.stages,
        device=device,
        seed=seed,
        export=export,
        trackers=None if tracker is None else tuple(map(nas.tracking.address, tracker)),
        task_options=task_options,
    )

    def placed(choice: Choice) -> RetrainOptions:
        single = len(choices) == 1 or out is None
        return replace(options, out=out if single or out is None else out / choice.name)

    with latency_sentences():
        results = [
            (choice.name, _retrain(folder, config, choice, placed(choice))) for choice in choices
        ]
    _show(results)
    for choice in choices:
        say(f"network: {placed(choice).folder(folder, choice)}")


def _distils(run: RunFolder, steps: RetrainStages) -> bool:
    """Whether a network learns from the search's teacher, where the user does not say."""
    if steps.losses:
        return True
    if steps.stages:
        return any(stage.losses for stage in steps.stages)
    return run.config().has_teacher


def _show(results: list[tuple[str, dict[str, Any]]]) -> None:
    from nas.report.retraining import int8_table, network_table, networks_table, remarks
    from nas.report.tables import score_table
    from nas.terminal import plain_console

    console = plain_console()
    if len(results) == 1:
        name, metrics = results[0]
        console.print(score_table(metrics["test"], list(metrics["test"]["f1"])))
        console.print(network_table(name, metrics))
    else:
        console.print(networks_table(results))
    for name, metrics in results:
        failed = metrics.get("int8", {}).get("failed")
        if failed:
            say(f"{name} has no int8 version: {failed}")
        elif "int8" in metrics:
            console.print(int8_table(name, metrics))
    for sentence in dict.fromkeys(line for _, one in results for line in remarks(one)):
        say(sentence)


def _stages(path: Path | None, losses: list[dict[str, Any]]) -> Any:
    from nas.retraining.options import RetrainStages
    from nas.settings import read_yaml, validate

    values = read_yaml(path) if path else {}
    if losses and isinstance(values, dict):
        values = {**values, "losses": losses}
    return validate(RetrainStages, values, str(path) if path else "--distill")


def _retrain(folder: Any, config: Any, choice: Choice, options: Any) -> dict[str, Any]:
    from nas.report.progress import EpochProgress
    from nas.retraining.retrain import retrain as retrain_one

    with EpochProgress() as progress:
        return retrain_one(
            folder,
            config,
            choice,
            options,
            lambda stage, record, epochs: progress.show(
                f"{choice.name} {stage}" if options.stages else choice.name, record, epochs
            ),
            progress.show,
            progress.say,
        )
