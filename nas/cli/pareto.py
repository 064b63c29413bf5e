"""``nas pareto list | plot | compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.penalties import penalties
from nas.cli.values import chosen_run, given
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from nas.report.runs import Reading, Snapshot

app = typer.Typer(help="Pareto fronts of one or several searches.", no_args_is_help=True)

Runs = Annotated[list[Path] | None, typer.Argument(help="Run folders; default: the latest.")]
Cost = Annotated[
    str | None,
    typer.Option(
        help="params, macs, flops or latency; default: the penalised or limited cost, or flops."
    ),
]
Aggregate = Annotated[
    str | None,
    typer.Option(help="Aggregate classes by mean, geometric_mean or minimum."),
]
Classes = Annotated[
    str | None, typer.Option(help="Classes that count for quality, separated by commas.")
]
PenaltyNames = Annotated[
    list[str] | None,
    typer.Option(
        "--penalty", help="Recompute the reward with none, params, macs, flops or latency."
    ),
]
Exponent = Annotated[float | None, typer.Option(help="Exponent of those penalties, below 0.")]
Base = Annotated[
    float | None,
    typer.Option(help="Cost at which that penalty is neutral; default: as in the search."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "--out", help="Folder for the files; default: RUN/plots.")
]
Formats = Annotated[str, typer.Option(help="Formats of the pictures, separated by commas.")]


@app.command("list")
def list_front(
    runs: Runs = None,
    cost: Cost = None,
    aggregate: Aggregate = None,
    classes: Classes = None,
    penalty: PenaltyNames = None,
    exponent: Exponent = None,
    base: Base = None,
) -> None:
    """Print the Pareto front of one or several runs."""
    from nas.report.fronts import front_over
    from nas.terminal import plain_console

    found = _read(runs)
    console = plain_console()
    reading = _reading(found, cost, aggregate, classes, penalties(penalty, exponent, base))
    console.print(front_over(found, reading, console.width))


@app.command()
def plot(
    runs: Runs = None,
    cost: Cost = None,
    aggregate: Aggregate = None,
    classes: Classes = None,
    penalty: PenaltyNames = None,
    exponent: Exponent = None,
    base: Base = None,
    output: Output = None,
    formats: Formats = "png,svg,pdf",
) -> None:
    """Plot the candidates, the front and the progress of the search.

    With successive halving, early scores are also plotted against later ones.
    """
    from nas.report.plots import plots_of, save_plots
    from nas.report.runs import read_searches

    found = _read(runs)
    reading = _reading(found, cost, aggregate, classes, penalties(penalty, exponent, base))
    target = output or plots_of(found[0].path)
    _print(save_plots(read_searches(found, reading), reading, target, _formats(formats)))


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run folders.")],
    cost: Cost = None,
    aggregate: Aggregate = None,
    classes: Classes = None,
    penalty: PenaltyNames = None,
    exponent: Exponent = None,
    base: Base = None,
    output: Output = None,
    formats: Formats = "png,svg,pdf",
) -> None:
    """Plot the fronts of several runs together, for example with and without a penalty."""
    from nas.report.plots import plots_of, save_comparison
    from nas.report.runs import read_searches

    if len(runs) < 2:
        raise UserError("nas pareto compare needs two runs or more; for one use nas pareto plot.")
    found = _read(runs)
    reading = _reading(found, cost, aggregate, classes, penalties(penalty, exponent, base))
    target = output or plots_of(found[0].path)
    series = [search.series for search in read_searches(found, reading)]
    _print(save_comparison(series, reading, target, _formats(formats)))


def _read(runs: list[Path] | None) -> list[Snapshot]:
    from nas.report.runs import different_data, read_snapshot
    from nas.searching.run_folder import RunFolder

    folders = [RunFolder.open(run) for run in runs or [chosen_run(None)]]
    places = [folder.path.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{folder.path}: the run is given twice; name each run once.")
    found = [read_snapshot(folder) for folder in folders]
    if (sentence := different_data(found)) is not None:
        say(sentence)
    return found


def _reading(
    runs: list[Snapshot],
    cost: str | None,
    aggregate: str | None,
    classes: str | None,
    chosen: list[dict[str, Any]] | None,
) -> Reading:
    from nas.report.runs import Reading

    changes = given(
        {
            "aggregate": aggregate,
            "classes": _parts(classes) if classes else None,
            "penalties": chosen,
        }
    )
    return Reading(cost or runs[0].default_cost, changes)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _formats(text: str) -> tuple[str, ...]:
    formats = _parts(text)
    unknown = sorted(set(formats) - {"png", "svg", "pdf"})
    if unknown:
        raise UserError(f"no picture format {unknown[0]!r}; known: png, svg, pdf.")
    return formats


def _print(paths: list[Path]) -> None:
    for path in paths:
        say(path)
