r"""Which controller finds the best small networks, in real searches of one budget?

    python scripts/controller_searches.py --config search.yaml --work runs/controllers \
        --controller random --controller reinforce --seeds 8 --limit 100000

Runs a search for every controller and seed; a finished one is only read, an interrupted one goes
on. For each controller, mean and sample standard deviation over the seeds of: the hypervolume of
quality and a cost, as a share of the box between the worst and the best of all searches; the best
quality within the limits of that cost and without any; the highest reward; and, where the
configuration has finalists, the quality that the best of them reaches in its full training. The
seeds in which it is ahead of the first controller are counted. Searches of one seed share their
encoder and teacher by the cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

import nas
from nas.cli.values import assignments
from nas.experiments.run import mean_and_spread
from nas.pareto.hypervolume import hypervolume, reference_point
from nas.pareto.objectives import Direction
from nas.report.runs import read_snapshot
from nas.settings import read_values

DIRECTIONS: tuple[Direction, ...] = ("maximise", "minimise")


@dataclass(frozen=True)
class Search:
    """What one search found.

    Attributes:
        points: Quality and cost, a row for each trained candidate.
        reward: The highest reward.
        finalist: Quality of the best finalist after its longest training, or None.
    """

    points: npt.NDArray[np.float64]
    reward: float
    finalist: float | None

    def best_within(self, limit: float) -> float:
        """The best quality at a cost of at most so much; 0 where there is none."""
        within = self.points[self.points[:, 1] <= limit, 0]
        return float(within.max()) if len(within) else 0.0


def main() -> None:
    """Runs what is missing, and prints the table."""
    options = parse_arguments()
    found = {
        controller: [search(controller, seed, options) for seed in range(options.seeds)]
        for controller in options.controller
    }
    Console(width=160).print(table(found, options))


def search(controller: str, seed: int, options: argparse.Namespace) -> Search:
    """One search, from its folder if it is there."""
    folder = options.work / f"{controller}-{seed}"
    begun = (folder / "run.json").exists()
    shared: dict[str, str] = {"cache": str(options.work / "cache")}
    if options.data is not None:
        shared["data"] = str(options.data)
    run = nas.search(
        run=folder,
        controller=None if begun else controller,
        seed=None if begun else seed,
        trials=options.trials,
        resume=begun,
        config={}
        if begun
        else {**shared, **read_values(options.config), **assignments(options.set)},
        progress=False,
    )
    snapshot = read_snapshot(run.folder)
    points = [
        (record.quality, record.costs[options.cost])
        for record in snapshot.trained()
        if record.quality is not None
    ]
    reward = snapshot.reward()
    best = max(reward(record.scores, record.costs) for record in snapshot.trained())
    finals, known = snapshot.finals(), snapshot.finalists
    finalist = known.last(finals[0].number)[1] if known is not None and finals else None
    print(f"{folder.name}: {len(points)} candidates, best {max(points)[0]:.4f}", flush=True)
    return Search(np.array(points), best, finalist)


def table(found: dict[str, list[Search]], options: argparse.Namespace) -> Table:
    """A row for each controller."""
    every = np.concatenate([one.points for searches in found.values() for one in searches])
    corner = reference_point(every, DIRECTIONS)
    box = (every[:, 0].max() - corner[0]) * (corner[1] - every[:, 1].min())

    def figures(one: Search) -> dict[str, float]:
        share = hypervolume(one.points, DIRECTIONS, corner) / box
        limited = {f"{options.cost} ≤ {limit:g}": one.best_within(limit) for limit in options.limit}
        best = {"best": float(one.points[:, 0].max())}
        finalist = {} if one.finalist is None else {"finalist": one.finalist}
        return {"hypervolume": share, **limited, **best, "reward": one.reward, **finalist}

    rows = {name: [figures(one) for one in searches] for name, searches in found.items()}
    first = next(iter(rows.values()))
    shown = Table(box=None, title=f"{options.trials} candidates, {options.seeds} seeds")
    shown.add_column("controller")
    for name in first[0]:
        shown.add_column(name, justify="right")
        shown.add_column("ahead", justify="right")
    for controller, ours in rows.items():
        cells = []
        for name in first[0]:
            values, base = [[one[name] for one in some] for some in (ours, first)]
            ahead = sum(value > other for value, other in zip(values, base, strict=True))
            cells += [shown_as(values), "" if ours is first else f"{ahead}/{len(values)}"]
        shown.add_row(controller, *cells)
    return shown


def shown_as(values: Sequence[float]) -> str:
    """Mean and sample standard deviation."""
    mean, spread = mean_and_spread(list(values))
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--config", type=Path, required=True, help="YAML file of the searches")
    add("--data", type=Path, help="folder of images, where the task needs one")
    add("--set", action="append", default=[], help="KEY=VALUE of any setting; repeat it")
    add("--work", type=Path, required=True, help="folder of the searches")
    add("--controller", action="append", required=True, help="repeat it; the first is the base")
    add("--seeds", type=int, default=8)
    add("--trials", type=int, default=64, help="candidates of each search (default 64)")
    add("--cost", default="params", help="params, macs, flops (default params)")
    add("--limit", action="append", type=float, default=[], help="of the cost; repeat it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
