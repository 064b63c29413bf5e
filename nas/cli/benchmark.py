"""``nas benchmark``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.penalties import penalties
from nas.cli.values import assignments, given
from nas.controllers.registry import DEFAULT
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from nas.benchmarking.board import Board
    from nas.benchmarking.settings import BenchmarkSettings
    from nas.benchmarking.summary import Summary


def benchmark(
    space: Annotated[str, typer.Argument(help="Search space of the table.")],
    table: Annotated[Path, typer.Option(help="Trained candidates: .npz, .csv or .parquet.")],
    controller: Annotated[
        list[str] | None,
        typer.Option(help=f"Controller; repeat to compare several. Default: {DEFAULT}."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="KEY=VALUE for the controller, or NAME.KEY=VALUE if there are several."
        ),
    ] = None,
    space_settings: Annotated[
        list[str] | None, typer.Option("--space.set", help="KEY=VALUE for an option of the space.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Data set of the table; default: all.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Evaluations per search.")] = 100,
    seeds: Annotated[int, typer.Option(help="Searches per controller.")] = 200,
    seed: Annotated[
        int, typer.Option(help="Random seed of the first search; the others follow.")
    ] = 0,
    penalty: Annotated[
        list[str] | None,
        typer.Option(help="Cost to penalise; repeat for several."),
    ] = None,
    exponent: Annotated[
        list[float] | None,
        typer.Option(
            help="Exponent of the penalties; repeat to split the evaluations between searches."
        ),
    ] = None,
    base: Annotated[
        float | None,
        typer.Option(help="Cost at which a penalty is neutral; default: the space's median."),
    ] = None,
    at: Annotated[
        list[int] | None,
        typer.Option(
            help="Report the hypervolume after this many evaluations; repeat for several."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Number of processes.")] = 1,
    search_workers: Annotated[
        int,
        typer.Option(help="Simulated workers of each search: results come late, out of order."),
    ] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "--out", help="Write the results of every search to a .csv or .json file."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Plot the mean progress as .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Compare controllers in seconds by searching a table of trained candidates."""
    from nas.benchmarking.benchmark import load_board, make_contenders, run
    from nas.benchmarking.settings import BenchmarkSettings
    from nas.settings import validate

    _check_files(output, plot)
    names = controller or [DEFAULT]
    values = given(
        {
            "table": str(table),
            "space": {"name": space, "options": assignments(space_settings or (), "--space.set")},
            "datasets": dataset,
            "controllers": _controllers(names, assignments(settings or ())),
            "rewards": _rewards(penalty, exponent, base),
            "trials": trials,
            "seeds": seeds,
            "seed": seed,
            "at": at,
            "workers": workers,
            "search_workers": search_workers,
        }
    )
    resolved = validate(BenchmarkSettings, values, "benchmark")
    board = load_board(resolved)
    contenders = make_contenders(resolved, board)
    notes: list[str] = []
    if not resolved.datasets:
        notes += board.table.unusable.values()
    with _progress(len(contenders) * resolved.seeds) as advance:
        summaries = run(resolved, board, contenders, advance, notes.append)
    for note in notes:
        print(note, file=sys.stderr)
    _report(resolved, board, summaries, output, plot)


def _check_files(output: Path | None, plot: Path | None) -> None:
    from nas.report.benchmark_files import DATA_FORMATS, PICTURE_FORMATS, check_path

    if output is not None:
        check_path(output, DATA_FORMATS)
    if plot is not None:
        check_path(plot, PICTURE_FORMATS)


def _controllers(names: Sequence[str], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Values of `ControllerSettings`, with the settings that were typed for each of them."""
    from nas.settings import overridden

    own: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in values.items():
        name, dot, setting = key.partition(".")
        if dot and name in own:
            own[name][setting] = value
        elif len(own) == 1:
            own[names[0]][key] = value
        else:
            raise UserError(
                f"--set {key}: say which controller this is for, for example {names[0]}.{key}=..."
            )
    return [{"name": name, "settings": overridden({}, own[name])} for name in names]


def _rewards(
    names: list[str] | None, exponents: list[float] | None, base: float | None
) -> list[dict[str, Any]] | None:
    """Values of `TableRewardSettings`, one for each exponent."""
    tried: Sequence[float | None] = exponents or [None]
    chosen = [penalties(names, exponent, base) for exponent in tried]
    return None if names is None else [{"penalties": values} for values in chosen]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    from nas.terminal import plain_console

    console = plain_console(stderr=True)
    columns = (TextColumn("searches"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("searches", total=total)
        yield lambda: progress.advance(bar)


def _report(
    settings: BenchmarkSettings,
    board: Board,
    summaries: Sequence[Summary],
    output: Path | None,
    plot: Path | None,
) -> None:
    from nas.report.benchmark import benchmark_tables
    from nas.report.benchmark_files import save_data, save_plot
    from nas.terminal import plain_console

    console = plain_console()
    for grid in benchmark_tables(summaries, board.table, settings.trials, settings.told_at):
        console.print(grid)
    if output is not None:
        save_data(output, summaries)
        say(output)
    if plot is not None:
        save_plot(plot, summaries, board.table)
        say(plot)
