"""What the page tells of searches, as plain values: their studies, and what was retrained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latency.costs import declared, heading
from nas.errors import UserError
from nas.files import read_json
from nas.pareto.candidates import Candidate
from nas.report.courses import courses
from nas.report.page.drawings import drawings
from nas.report.retraining import comparable_search_quality
from nas.report.rungs import rung_panels
from nas.report.runs import (
    Reading,
    Search,
    Snapshot,
    different_data,
    read_searches,
)
from nas.report.status import status
from nas.searching.records import TrialRecord
from nas.searching.run_folder import RunFolder

_METRICS = "metrics.json"


@dataclass(frozen=True)
class Networks:
    """What only the retrained networks of a run can tell.

    Attributes:
        of: The name of the network that it is about.
        layers: Milliseconds of each layer of the exported network.
        pictures: Predictions on validation images: name, score, caption, images as data URLs.
        colours: Name and colour of each class in them.
        notes: Sentences about what could not be shown.
    """

    of: str = ""
    layers: tuple[Mapping[str, Any], ...] = ()
    pictures: tuple[Mapping[str, Any], ...] = ()
    colours: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """One run on the page.

    Attributes:
        folder: The run.
        snapshot: Its study.
        networks: What its retrained networks tell, if they were asked.
    """

    folder: RunFolder
    snapshot: Snapshot
    networks: Networks = field(default_factory=Networks)


def contents(runs: Sequence[Shown], cost: str | None = None) -> dict[str, Any]:
    """Everything that the page shows, as values that JSON can hold.

    Args:
        runs: At least one.
        cost: The cost on the other axis of the front; that of the first run unless given.

    Raises:
        UserError: If a saved reward cannot be read, or no run has recorded the cost.
    """
    reading = Reading(cost or runs[0].snapshot.default_cost)
    begun = [run for run in runs if _is_trained(run.snapshot)]
    searches = read_searches([run.snapshot for run in begun], reading) if begun else []
    by_path = {run.folder.path: search for run, search in zip(begun, searches, strict=True)}
    found = [run.snapshot for run in runs]
    costs = list(
        dict.fromkeys(name for one in found for record in one.complete for name in record.costs)
    )
    note = different_data(found)
    return {
        "cost": reading.cost,
        "costs": [_cost(name) for name in costs],
        "notes": [note] if note else [],
        "runs": [_run(run, by_path.get(run.folder.path), reading) for run in runs],
    }


def _is_trained(snapshot: Snapshot) -> bool:
    try:
        return bool(snapshot.trained())
    except UserError:
        # A search that has just begun: the page says how many trials are running.
        return False


def _cost(name: str) -> dict[str, Any]:
    known = declared(name)
    if known is None:
        return {"name": name, "label": name, "unit": "", "prefixed": False}
    unit = known.unit
    return {
        "name": name,
        "label": heading(name),
        "unit": unit.symbol,
        "prefixed": unit.prefixed,
    }


def _run(run: Shown, search: Search | None, reading: Reading) -> dict[str, Any]:
    snapshot = run.snapshot
    graphs, keys, note = drawings(snapshot)
    candidates = {} if search is None else {one.trial: one for one in search.series.candidates}
    notes = [*run.networks.notes, *([note] if note else [])]
    config = snapshot.config
    return {
        "name": str(run.folder.path) if search is None else search.series.name,
        "path": str(run.folder.path),
        "notes": notes,
        "summary": _summary(snapshot),
        "facts": _facts(run.folder),
        "config": run.folder.config_path.read_text(encoding="utf-8"),
        "limits": dict(config.limits),
        "trials": [
            _trial(record, candidates.get(record.number), keys) for record in snapshot.records
        ],
        "graphs": graphs,
        "course": {} if search is None else _course(search, reading),
        "rungs": [] if search is None else _rungs(search),
        "retrained": _retrained(run.folder),
        "network": run.networks.of,
        "layers": [dict(layer) for layer in run.networks.layers],
        "pictures": [dict(picture) for picture in run.networks.pictures],
        "colours": [list(pair) for pair in run.networks.colours],
    }


def _summary(snapshot: Snapshot) -> list[list[str]]:
    found = status(snapshot)
    config = snapshot.config
    complete = found.states.get("complete", 0)
    rows = [
        ["space", config.space.name],
        ["controller", config.controller.name],
        ["trials", f"{complete} of {found.asked} complete"],
    ]
    others = [f"{count} {state}" for state, count in found.states.items() if state != "complete"]
    if others:
        rows.append(["", ", ".join(others)])
    if found.quality.best is not None:
        best = found.quality.best
        rows.append(["best quality", f"{best.quality:.4f} (trial {best.number})"])
    if found.quality.best_reward is not None:
        reward = float(found.quality.course.best["reward"][-1])
        rows.append(["best reward", f"{reward:.4f} (trial {found.quality.best_reward.number})"])
    if (thirds := found.quality.thirds) is not None:
        rows.append(
            [
                f"mean {thirds.figure}",
                f"{thirds.first:.4f} in the first third of candidates, "
                f"{thirds.last:.4f} in the last",
            ]
        )
    rows.append(["repeated candidates", f"{found.quality.repeats:.0%}"])
    if found.seconds is not None:
        rows.append(["seconds per candidate", f"{found.seconds:.1f} (median)"])
    if config.trackers:
        rows.append(["trackers", ", ".join(config.trackers)])
    return rows


def _facts(folder: RunFolder) -> list[list[str]]:
    info = folder.info()
    rows = [
        [key, str(info[key])]
        for key in ("date", "host", "platform", "cpus", "commit")
        if key in info
    ]
    rows.append(["devices", ", ".join(map(str, info.get("devices", ()))) or "CPU"])
    versions = info.get("versions", {})
    return rows + [[str(name), str(version)] for name, version in versions.items()]


def _trial(
    record: TrialRecord, candidate: Candidate | None, keys: Mapping[int, int]
) -> dict[str, Any]:
    values: Mapping[str, float] = {} if candidate is None else candidate.values
    return {
        "trial": record.number,
        "state": _state(record),
        "counts": candidate is not None,
        "genotype": record.genotype,
        "graph": keys.get(record.number),
        "choices": {name: str(option) for name, option in record.choices.items()},
        "quality": _finite(values.get("quality", record.quality)),
        "reward": _finite(values.get("reward")),
        "costs": {name: _finite(value) for name, value in record.costs.items()},
        "scores": {
            metric: {name: _finite(value) for name, value in by_class.items()}
            for metric, by_class in record.scores.items()
        },
        "groups": {name: _finite(value) for name, value in record.groups.items()},
        "seconds": {name: _finite(value) for name, value in record.seconds.items()},
        "host": str(record.origin.get("host", "")),
        "started": record.started.isoformat(" ", "seconds") if record.started else "",
    }


def _state(record: TrialRecord) -> str:
    if record.failure:
        return f"failed: {record.failure}"
    if record.void is not None:
        return f"void: {record.void}"
    if record.beyond:
        return "beyond a limit: " + ", ".join(record.beyond)
    if record.repeats is not None:
        return f"repeats trial {record.repeats}"
    return f"cut short at {record.stopped}" if record.stopped else record.state


def _course(search: Search, reading: Reading) -> dict[str, Any]:
    (found,) = courses([search], ("quality", "reward"), reading.cost)
    return {
        "trials": found.trials.tolist(),
        "best": {name: _list(values) for name, values in found.best.items()},
        "hypervolume": _list(found.hypervolume[reading.cost]),
        "reference": found.references[reading.cost],
    }


def _rungs(search: Search) -> list[dict[str, Any]]:
    return [
        {
            "early": panel.early,
            "late": panel.late,
            "points": one.both.tolist(),
            "note": one.note.replace("$\\tau_b$", "tau-b").replace("$\\rho$", "Spearman"),
        }
        for panel in rung_panels([search])
        for one in panel.searches
    ]


def _retrained(folder: RunFolder) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(folder.retrain.glob(f"*/{_METRICS}")):
        metrics = read_json(path)
        rows.append(
            {
                "name": path.parent.name,
                "search": _finite(comparable_search_quality(metrics)),
                "validation": _finite(metrics["validation"]["quality"]),
                "test": _finite(metrics["test"]["quality"]),
                "costs": {name: _finite(value) for name, value in metrics["costs"].items()},
                "epochs": metrics["epochs"],
            }
        )
    return rows


def _list(values: np.ndarray) -> list[float | None]:
    return [_finite(value) for value in values.tolist()]


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
