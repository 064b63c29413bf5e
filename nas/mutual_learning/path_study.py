"""The study of a run: a search over its paths, whose evaluator looks the trained ones up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.space import CONTROLLER, SPACE, PathSpace
from nas.mutual_learning.students import SEPARATOR
from nas.mutual_learning.trained import MutualSummary
from nas.searching.assembly import IMPORT_PATH, StandardAssembly
from nas.searching.config import TableSearchConfig
from nas.searching.run_folder import RunFolder
from nas.searching.search import resume
from nas.settings import validate
from nas.tasks import Task

TABLE = "paths.npz"


def search_config(folder: Path, config: MutualConfig, task: Task) -> TableSearchConfig:
    """A search that looks up every path once."""
    values = {
        "space": {
            "name": SPACE,
            "options": {"networks": list(config.names), "parts": config.parts},
        },
        "controller": {"name": CONTROLLER},
        "table": str((folder / TABLE).resolve()),
        "dataset": task.name,
        "trials": len(config.students) ** config.parts,
        "seed": config.seed,
    }
    return validate(TableSearchConfig, values, str(folder))


def fill_study(folder: Path, config: MutualConfig, task: Task, summary: MutualSummary) -> None:
    """Puts all paths into the study of the folder, in place of what was known before."""
    space = PathSpace(config.names, config.parts)
    steps = [name.split(SEPARATOR) for name in summary.paths]
    columns = {
        "arch": np.array([str(space.parse(step)) for step in steps]),
        f"{task.name}_val{config.training.epochs}": 100
        * np.array([np.mean(values) for values in summary.paths.values()]),
    }
    rows = [summary.costs[name] for name in summary.paths]
    # A table tells MACs alone; FLOPs are twice as many.
    for cost in rows[0]:
        if cost != "flops":
            columns[cost] = np.array([row[cost] for row in rows])
    np.savez(folder / TABLE, allow_pickle=False, **columns)
    run = RunFolder.open(folder)
    # More seeds change every mean.
    for path in folder.glob("study.db*"):
        path.unlink()
    run.memory_path.unlink(missing_ok=True)
    run.save_config(search_config(folder, config, task))
    resume(folder, StandardAssembly(), IMPORT_PATH)
