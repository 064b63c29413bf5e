"""``nas search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.limits import limits
from nas.cli.penalties import penalties
from nas.cli.values import assignments, chosen_run, given, names_in, one_of, with_assigned
from nas.controllers.registry import DEFAULT, names
from nas.errors import UserError
from nas.terminal import say

# Panels of --help, in the order of their first option.
_COMMON = "Common options"
_SPACE = "What is searched"
_AIMS = "Limits and penalties"
_COURSE = "How it is searched"
_TEACHER = "Distillation"
_LATENCY = "Latency"
_FURTHER = "Any setting, and where things are kept"


def search(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images, with a task.yaml unless --task is one.", rich_help_panel=_COMMON
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Built-in task (faces), folder with a task.yaml, or YAML file.",
            rich_help_panel=_COMMON,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run folder to create; default: runs/TASK-DATE-TIME.", rich_help_panel=_COMMON
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of candidates to finish.", rich_help_panel=_COMMON)
    ] = None,
    penalty: Annotated[
        list[str] | None,
        typer.Option(
            help="none, params, macs, flops, latency, memory or energy; repeat for several.",
            rich_help_panel=_COMMON,
        ),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(help="Skip slower candidates: 5ms, 800us or 0.01s.", rich_help_panel=_COMMON),
    ] = None,
    max_params: Annotated[
        str | None,
        typer.Option(
            help="Skip candidates with more parameters: 1500000 or 1.5M.", rich_help_panel=_COMMON
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes.", rich_help_panel=_COMMON)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu or cuda:N.", rich_help_panel=_COMMON)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.", rich_help_panel=_COMMON)] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            help="Where to show it: tensorboard, mlflow, wandb, or an own one; repeat for several.",
            rich_help_panel=_COMMON,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the search in --run.", rich_help_panel=_COMMON),
    ] = False,
    space: Annotated[
        str | None,
        typer.Option(
            help="Search space; without it small for masks, nasbench201 for classes.",
            rich_help_panel=_SPACE,
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of the space's sizes.", rich_help_panel=_SPACE)
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="timm backbone of the candidates.", rich_help_panel=_SPACE)
    ] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(
            help="task, imagenet, none, a safetensors file, or a folder of NAME.safetensors.",
            rich_help_panel=_SPACE,
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(help="Inputs that candidates take, for example rgb.", rich_help_panel=_SPACE),
    ] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(
            help="Skip candidates with more multiply-accumulates: 300M.", rich_help_panel=_AIMS
        ),
    ] = None,
    max_flops: Annotated[
        str | None,
        typer.Option(
            help="Skip candidates with more floating-point operations: 600M.", rich_help_panel=_AIMS
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            help="Skip candidates that need more memory: 8MB or 512KiB.", rich_help_panel=_AIMS
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            help="COST=VALUE: limit on any cost, including a table's; repeat for several.",
            rich_help_panel=_AIMS,
        ),
    ] = None,
    exponent: Annotated[
        float | None,
        typer.Option(help="Exponent of the penalties, below 0.", rich_help_panel=_AIMS),
    ] = None,
    base: Annotated[
        float | None,
        typer.Option(
            help="Cost at which a penalty is neutral; default: the space's median.",
            rich_help_panel=_AIMS,
        ),
    ] = None,
    controller: Annotated[
        str | None,
        typer.Option(help=f"{one_of(names())}; default: {DEFAULT}.", rich_help_panel=_COURSE),
    ] = None,
    halving: Annotated[
        float | None,
        typer.Option(
            help="Successive halving: keep about 1/N of the candidates at each rung.",
            rich_help_panel=_COURSE,
        ),
    ] = None,
    finalists: Annotated[
        int | None,
        typer.Option(
            help="Best candidates of the front to train in full at the end, by successive halving; "
            "--best is taken from them. Default: 0.",
            rich_help_panel=_COURSE,
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            help="in_process, local_processes, ray, nni or an import path; default: in_process for "
            "one worker, else local_processes.",
            rich_help_panel=_COURSE,
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(help="GPUs of each Ray worker, for example 0.5.", rich_help_panel=_COURSE),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Table of trained candidates to search instead of images.", rich_help_panel=_COURSE
        ),
    ] = None,
    distillation: Annotated[
        bool | None,
        typer.Option(
            "--distillation/--no-distillation",
            help="Learn from a teacher.",
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(help="Folder of a teacher made by nas train.", rich_help_panel=_TEACHER),
    ] = None,
    distill_method: Annotated[
        str | None,
        typer.Option(
            "--distill.method", help="Loss towards the teacher's logits.", rich_help_panel=_TEACHER
        ),
    ] = None,
    distill_weight: Annotated[
        float | None,
        typer.Option("--distill.weight", help="Weight of that loss.", rich_help_panel=_TEACHER),
    ] = None,
    latency_device: Annotated[
        str | None,
        typer.Option(
            help="Device to optimise latency for; default: --device.", rich_help_panel=_LATENCY
        ),
    ] = None,
    latency_engine: Annotated[
        str | None,
        typer.Option(
            help="Inference engine, for example onnxruntime or torch.", rich_help_panel=_LATENCY
        ),
    ] = None,
    latency_threads: Annotated[
        int | None,
        typer.Option(help="CPU threads of the inference engine.", rich_help_panel=_LATENCY),
    ] = None,
    latency_source: Annotated[
        str | None,
        typer.Option(
            help="predicted (only finalists are measured) or measured (all are).",
            rich_help_panel=_LATENCY,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file with any of the settings.", rich_help_panel=_FURTHER),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE for any setting, for example reward.metric=iou.",
            rich_help_panel=_FURTHER,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Database URL for workers on many machines.", rich_help_panel=_FURTHER),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Cache folder for teacher and features, shared between runs.",
            rich_help_panel=_FURTHER,
        ),
    ] = None,
) -> None:
    """Search for small networks and record every candidate in a run folder."""
    options = given(
        {
            "task": str(data) if data is not None and task is None else task,
            "data": str(data) if data is not None and task is not None else None,
            "table": str(table) if table else None,
            "space.name": space,
            "controller.name": controller,
            "latency.device": latency_device,
            "latency.engine": latency_engine,
            "latency.threads": latency_threads,
            "latency.source": latency_source,
            "promotion.reduction": halving,
            "trials": trials,
            "finalists.count": finalists,
            "workers": workers,
            "executor": executor,
            "gpus_per_worker": gpus_per_worker,
            "seed": seed,
            "device": device,
            "trackers": tracker,
            "storage": storage,
            "cache": str(cache) if cache else None,
            "evaluation.inputs": names_in(inputs, "--inputs"),
            "evaluation.encoder.name": encoder,
            "evaluation.encoder.weights": encoder_weights,
            "evaluation.teacher.run": str(teacher) if teacher else None,
            "evaluation.distillation.enabled": distillation,
            "evaluation.distillation.method": distill_method,
            "evaluation.distillation.weight": distill_weight,
        }
    )
    if table is not None and finalists is not None:
        raise UserError("--finalists are trained on images, and a table has none; leave it out.")
    if table is not None and (task is not None or data is not None):
        raise UserError("--table takes the place of images; leave out --task and --data.")
    largest = {
        "latency": max_latency,
        "params": max_params,
        "macs": max_macs,
        "flops": max_flops,
        "memory": max_memory,
    }
    options |= limits(given(largest), limit or ())
    chosen = penalties(penalty, exponent, base)
    if chosen is not None:
        options["reward.penalties"] = chosen
    options = _preset(space, preset, config) | with_assigned(options, assignments(settings or ()))
    if data is not None and not resume and not data.exists():
        raise UserError(f"{data}: no such folder; correct --data.")
    if resume and data is not None:
        # The run knows its task; this tells where its images are now.
        options = {**options, "data": str(data)}
        if task is None:
            del options["task"]
    from nas.api.execution import run_search
    from nas.searching.run_folder import RunFolder

    folder = chosen_run(run) if resume else run
    _report(RunFolder.open(run_search(options, run=folder, config=config, resume=resume)))


def _preset(space: str | None, preset: str | None, config: Path | None) -> dict[str, Any]:
    if preset is None:
        return {}
    import search_spaces

    name = space or _named_space(config) or "fastnas"
    try:
        known = search_spaces.presets(name)
    except ValueError as error:
        raise UserError(str(error)) from error
    if preset not in known:
        raise UserError(f"space {name!r} has no preset {preset!r}; known: {', '.join(known)}.")
    options = {f"space.options.{key}": value for key, value in known[preset].items()}
    return {"space.name": name, **options}


def _named_space(config: Path | None) -> str | None:
    from nas.settings import read_values

    space = read_values(config).get("space")
    return space.get("name") if isinstance(space, dict) else None


def _report(run: Any) -> None:
    from nas.report.fronts import run_front
    from nas.report.runs import read_snapshot
    from nas.report.search_quality import search_quality
    from nas.report.status import finalist_sentences, quality_table
    from nas.report.teacher import teacher_sentence
    from nas.searching.config import ImageSearchConfig
    from nas.terminal import plain_console

    console = plain_console()
    found = read_snapshot(run)
    console.print(quality_table(search_quality(found)))
    console.print(run_front(found, console.width))
    for number, line in enumerate(finalist_sentences(found)):
        say(f"finalist {number + 1}: {line}")
    if (taught := teacher_sentence(found)) is not None:
        say(f"teacher: {taught}")
    if not found.finals() and isinstance(found.config, ImageSearchConfig):
        say(
            "these scores are of short trainings: nas trust tells how far they hold, and "
            "--resume --finalists 4 trains the best of the front for longer"
        )
    say(f"run folder: {run.path}")
