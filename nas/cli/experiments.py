"""What ``nas train`` and ``nas distill`` do once their options are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.cli.values import swept
from nas.errors import UserError
from nas.nested import flattened
from nas.settings import overridden, read_values
from nas.terminal import say


def run(
    values: Mapping[str, Any],
    folder: Path,
    needed: Mapping[str, str],
    config: Path | None = None,
    *,
    sweep: Sequence[str] = (),
    workers: int | None = None,
) -> None:
    """Trains a network over its seeds, and prints what came out.

    Args:
        values: Settings of the experiment by dotted key.
        folder: Of the run.
        needed: What is said where a setting is missing, by its dotted key.
        config: A YAML file with further settings, or None.
        sweep: ``KEY=VALUES`` of each setting whose values are all tried.
        workers: Local processes of a sweep.

    Raises:
        UserError: If a setting is missing or wrong.
    """
    if sweep:
        _sweep(values, folder, needed, config, sweep, workers or 1)
        return
    if workers is not None:
        raise UserError("--workers belongs to --sweep; give that too.")
    from nas.api.trainings import run_experiment
    from nas.report.experiments import summary_table
    from nas.terminal import plain_console

    _require(needed, flattened(overridden(read_values(config), values)))
    found = run_experiment(values, folder, config=config)
    plain_console().print(summary_table(found.summary))
    say(f"run: {folder}")


def _sweep(
    values: Mapping[str, Any],
    folder: Path,
    needed: Mapping[str, str],
    config: Path | None,
    texts: Sequence[str],
    workers: int,
) -> None:
    from nas.api.sweeps import run_sweep
    from nas.report.sweeps import sweep_table
    from nas.terminal import plain_console

    settings = swept(texts)
    merged = flattened(overridden(read_values(config), values))
    _require(needed, {**merged, **settings})
    found = run_sweep(values, settings, folder, workers=workers, config=config)
    plain_console().print(sweep_table(found.summary))
    for point in found.summary.points:
        if point.failure and not point.validation:
            say(f"{point.name}: {point.failure}")
    say(f"run: {folder}")


def _require(needed: Mapping[str, str], given: Mapping[str, Any]) -> None:
    for key, sentence in needed.items():
        if given.get(key) is None:
            raise UserError(sentence)
