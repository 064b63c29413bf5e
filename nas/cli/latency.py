"""``nas latency`` and ``nas latency calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nas.cli.sentences import latency_sentences
from nas.cli.values import chosen_run, image_size
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from nas.deployment.named_network import NamedNetwork
    from nas.deployment.network_latency import Place

_MEASURE = "measure"


class _MeasuresByDefault(TyperGroup):
    """``nas latency RUN`` is ``nas latency measure RUN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_MEASURE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MeasuresByDefault,
    help="Measure the latency of a network: nas latency RUN --trial N, or nas latency MODEL.",
    no_args_is_help=True,
)

Device = Annotated[str, typer.Option(help="cpu or cuda:N.")]
Engine = Annotated[
    str,
    typer.Option(
        help="onnxruntime, torch, torch.compile, cuda-graphs, tensorrt, openvino, litert or "
        "executorch."
    ),
]
Threads = Annotated[int, typer.Option(help="CPU threads of one operator.")]
Size = Annotated[
    str | None, typer.Option(help="Image size as HEIGHTxWIDTH; default: that of the task.")
]


@app.command(_MEASURE)
def measure(
    network: Annotated[
        Path | None,
        typer.Argument(help="Run folder, saved network or ONNX file; default: the latest run."),
    ] = None,
    trial: Annotated[int | None, typer.Option(help="Number of a trial of the run.")] = None,
    best: Annotated[
        bool, typer.Option("--best", help="The trial with the highest reward.")
    ] = False,
    genotype: Annotated[str | None, typer.Option(help="Genotype as text.")] = None,
    device: Device = "cpu",
    engine: Engine = "onnxruntime",
    threads: Threads = 1,
    runs: Annotated[int, typer.Option(help="Timed runs, at least 20.")] = 30,
    allow_fallback: Annotated[
        bool, typer.Option("--allow-fallback", help="Use the CPU if the device is missing.")
    ] = False,
    size: Size = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show the time per layer.")] = False,
    depth: Annotated[
        int | None,
        typer.Option(help="Group layers by this many parts of their module path; default: all."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Number of layers to show.")] = 30,
    plot: Annotated[
        Path | None, typer.Option(help="Plot the layers to a PNG, SVG or PDF file.")
    ] = None,
    memory: Annotated[bool, typer.Option("--memory", help="Also report peak memory.")] = False,
    energy: Annotated[
        bool, typer.Option("--energy", help="Also measure energy, which takes 4 seconds.")
    ] = False,
) -> None:
    """Measure the latency of a network (the default command), and predict it if calibrated."""
    _check(depth, rows, plot)
    from nas.deployment.network_latency import (
        Place,
        check_explainable,
        network_latency,
        network_layers,
    )
    from nas.report.latency import latency_table, layers_table
    from nas.terminal import plain_console

    place = Place(device, engine, threads, runs, allow_fallback)
    if layers or plot:
        check_explainable(place)
    console = plain_console()
    with latency_sentences():
        chosen = _named(network, trial, best, genotype, size)
        found = network_latency(chosen, place)
        counts = (found.counts.parameters, found.counts.macs) if found.counts else None
        console.print(
            latency_table(chosen.name, found.measured, found.idle_ms, found.predicted, counts)
        )
        for sentence in found.warnings:
            say(sentence)
        if memory:
            _show_memory(console, chosen, place)
        if energy:
            _show_energy(console, chosen, place)
        if not (layers or plot):
            return
        known, predicted = network_layers(chosen, place, found, depth)
        if layers:
            console.print(layers_table(known, predicted, rows))
    if plot:
        from nas.pareto.figures import save
        from nas.report.latency import plot_layers

        picture = plot_layers(chosen.name, known, predicted, rows)
        say(f"plot: {save(picture, plot.with_suffix(''), (plot.suffix[1:],))[0]}")


@app.command("calibrate")
def calibrate(
    space: Annotated[
        str,
        typer.Option(help="Search space, run folder, or YAML file with the settings of a search."),
    ],
    device: Device = "cpu",
    engine: Engine = "onnxruntime",
    threads: Threads = 1,
    networks: Annotated[int, typer.Option(help="Number of networks to measure.")] = 15,
    seed: Annotated[int, typer.Option(help="Random seed for sampling networks.")] = 0,
    size: Size = None,
) -> None:
    """Calibrate a device, so that the latencies of a search space can be predicted."""
    if networks < 1:
        raise UserError(f"--networks {networks}: measure at least 1.")
    from nas.deployment.named_network import candidates_named
    from nas.evaluation.latency.calibration import calibrate as calibrate_device
    from nas.report.latency import calibration_table
    from nas.report.progress import CalibrationProgress

    with latency_sentences():
        candidates = candidates_named(space, _size(size))
        with CalibrationProgress() as progress:
            found = calibrate_device(
                candidates, device, engine, threads, networks, seed, progress=progress.show
            )
    from nas.terminal import plain_console

    plain_console().print(calibration_table(found, candidates.family))


def _named(
    path: Path | None, trial: int | None, best: bool, genotype: str | None, size: str | None
) -> NamedNetwork:
    from nas.deployment.named_network import named_network
    from nas.deployment.selection import Selection

    trials = () if trial is None else (trial,)
    selection = Selection(best=best, trials=trials, genotype=genotype)
    return named_network(chosen_run(path), selection, _size(size))


def _show_memory(console: Console, network: NamedNetwork, place: Place) -> None:
    from nas.deployment.network_costs import network_memory
    from nas.report.device_costs import memory_table

    console.print(memory_table(*network_memory(network, place)))


def _show_energy(console: Console, network: NamedNetwork, place: Place) -> None:
    from nas.deployment.network_costs import network_energy
    from nas.report.device_costs import energy_table

    found = network_energy(network, place)
    if isinstance(found, str):
        say(f"energy is not measured: {found}")
    else:
        console.print(energy_table(found))


def _check(depth: int | None, rows: int, plot: Path | None) -> None:
    if depth is not None and depth < 1:
        raise UserError(f"--depth {depth}: give at least 1.")
    if rows < 1:
        raise UserError(f"--rows {rows}: show at least 1.")
    if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--plot {plot}: the name has to end in .png, .svg or .pdf.")


def _size(text: str | None) -> tuple[int, int] | None:
    return None if text is None else image_size(text, "--size")
