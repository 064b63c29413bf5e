"""Tables of benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.table import Table as Grid

from nas.benchmarking.contest import Contender
from nas.benchmarking.published import published_rows
from nas.benchmarking.summary import Spread, Summary
from nas.evaluation.table import Scores, Table


def benchmark_tables(
    summaries: Sequence[Summary], table: Table, trials: int, at: Sequence[int]
) -> Iterator[Grid]:
    """For each data set, the candidates that the searches chose and the fronts that they found.

    Args:
        summaries: One row each.
        table: The table that they searched.
        trials: Evaluations of every search.
        at: Numbers of evaluations after which the hypervolume is shown.
    """
    for dataset in dict.fromkeys(summary.contender.dataset for summary in summaries):
        own = [summary for summary in summaries if summary.contender.dataset == dataset]
        yield _chosen(own, table, trials)
        if own[0].curves.share is not None:
            yield _volumes(own, at)


def _chosen(summaries: Sequence[Summary], table: Table, trials: int) -> Grid:
    contender = summaries[0].contender
    count = len(summaries[0].repetitions)
    scores = table.scores(contender.dataset)
    times = f"{count} searches" if count > 1 else "1 search"
    grid = Grid(
        title=f"{contender.dataset}: {times} of {trials} evaluations",
        title_justify="left",
        caption="CPU: of study and controller, per evaluation",
        caption_justify="left",
    )
    grid.add_column("controller", overflow="fold")
    for column in (f"validation\n{scores.epochs} epochs", _test_title(scores.test)):
        grid.add_column(column, justify="right", no_wrap=True)
    for column in ("virtual\nhours", "repeats", "CPU\nms"):
        grid.add_column(column, justify="right")
    for summary in summaries:
        grid.add_row(
            summary.contender.name,
            accuracy(summary.spread("validation")),
            accuracy(summary.spread("test")) if scores.test else "-",
            _hours(summary),
            f"{summary.spread('repeats').mean:.0%}",
            f"{summary.spread('milliseconds').mean:.1f}",
        )
    if scores.test:
        _add_marks(grid, contender, scores)
    return grid


def _add_marks(grid: Grid, contender: Contender, scores: Scores) -> None:
    """Adds what to compare with: published results, and the best rows of the table."""
    grid.add_section()
    config = contender.configs[0]
    # A search with penalties has another objective than the published ones.
    published = () if config.reward.penalties else published_rows(config.space.name, config.dataset)
    for row in published:
        grid.add_row(f"{row.name}, published", "", accuracy(Spread(row.mean, row.std)))
    if published:
        grid.caption = f"{grid.caption}\npublished: 500 runs of about 100 evaluations"
    validation, test = scores.validation[scores.epochs], scores.test[max(scores.test)]
    # The best test accuracy is no goal for a search, which sees validation accuracies alone.
    for split, column in (("validation", validation), ("test", test)):
        best = int(column.argmax())
        grid.add_row(f"best by {split}", f"{validation[best]:.2f}", f"{test[best]:.2f}")


def _volumes(summaries: Sequence[Summary], at: Sequence[int]) -> Grid:
    contender = summaries[0].contender
    names = ", ".join(contender.configs[0].objectives[1:])
    grid = Grid(
        title=f"{contender.dataset}: share of the true front's hypervolume in validation accuracy "
        f"and {names}",
        title_justify="left",
        min_width=76,
        caption="reference point: the worst of the table, and 1 % of the range beyond",
        caption_justify="left",
    )
    grid.add_column("controller", overflow="fold")
    for evaluations in at:
        grid.add_column(f"{evaluations} evaluations", justify="right", no_wrap=True)
    for summary in summaries:
        shares = [summary.share(evaluations) for evaluations in at]
        cells = [f"{share.mean:.4f} ± {share.std:.4f}" for share in shares]
        grid.add_row(summary.contender.name, *cells)
    return grid


def accuracy(spread: Spread) -> str:
    """Mean and deviation of an accuracy in percent."""
    return f"{spread.mean:.2f} ± {spread.std:.2f}"


def _hours(summary: Summary) -> str:
    mean = summary.spread("virtual_hours").mean
    # A table without costs and times tells nothing of them.
    return f"{mean:.1f}" if mean else "-"


def _test_title(epochs: Collection[int]) -> str:
    return f"test\n{max(epochs)} epochs" if epochs else "test"
