"""The points of a sweep: their settings, and where they are trained."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.settings import overridden
from nas.sweeping.space import SettingsSpace

POINTS = "points"
"""Folder of the trainings within a run."""
LOSS = "distill"
"""Section of the keys of a single loss, such as ``distill.weight``."""

_FIXED = {
    "task": "figures on other data do not compare",
    "data": "figures on other data do not compare",
    "seed": "seeds repeat every point",
    "seeds": "seeds repeat every point",
    "device": "results do not depend on it",
}
_LENGTH = 100


def check_key(key: str) -> None:
    """Refuses a setting that no sweep has.

    Raises:
        UserError: With the reason.
    """
    if key in _FIXED:
        raise UserError(f"sweep of {key}: {_FIXED[key]}; sweep another setting.")


def experiment_with(experiment: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training with those of a point in their place.

    Args:
        experiment: Nested settings, as `nas.experiments.config.ExperimentConfig` has them.
        values: By dotted key; ``distill.KEY`` is a setting of the single loss.

    Raises:
        UserError: If there is no single loss, or a key leads through a value.
    """
    others = {key: value for key, value in values.items() if not _is_of_loss(key)}
    result = overridden(dict(experiment), others)
    of_loss = {key: value for key, value in values.items() if _is_of_loss(key)}
    if of_loss:
        losses = list(result.get("losses") or ())
        if len(losses) != 1:
            raise UserError(
                f"sweep of {next(iter(of_loss))}: it is a setting of a single loss, and there are "
                f"{len(losses)}; give one --method."
            )
        inner = {key.removeprefix(f"{LOSS}."): value for key, value in of_loss.items()}
        result["losses"] = [overridden(dict(losses[0]), inner)]
    return result


def all_points(space: SettingsSpace) -> Iterator[dict[str, Any]]:
    """The settings of every point, the last key fastest."""
    for values in itertools.product(*space.settings.values()):
        yield dict(zip(space.settings, values, strict=True))


def point_folder(run: Path, space: SettingsSpace, values: Mapping[str, Any]) -> Path:
    """Where a point is trained, a folder as ``nas distill`` makes it.

    Args:
        run: The run folder.
        space: Of the sweep.
        values: Of the point.
    """
    names = [_name(point) for point in all_points(space)]
    number = list(all_points(space)).index(dict(values))
    name = names[number]
    return run / POINTS / (name if names.count(name) == 1 else f"{name}-{number}")


def described(values: Mapping[str, Any]) -> str:
    """The settings of a point in words, for tables."""
    return ", ".join(f"{key}={_text(value)}" for key, value in values.items())


def _is_of_loss(key: str) -> bool:
    return key.startswith(f"{LOSS}.")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name(values: Mapping[str, Any]) -> str:
    text = ",".join(f"{key}={_text(value)}" for key, value in values.items())
    return re.sub(r"[^\w.=,+-]", "_", text)[:_LENGTH]
