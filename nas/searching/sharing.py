"""Which parts of a search several worker processes can have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import nas.tasks
import rewards
import search_spaces
from latency.costs import COSTS
from latency.engines import ENGINES
from nas import controllers, distillation
from nas.errors import UserError
from nas.nested import flattened
from nas.objects import is_object
from nas.searching.config import SearchConfig

_IMPORTABLE: dict[str, Callable[[Any], bool]] = {
    "space.name": search_spaces.is_importable,
    "controller.name": controllers.is_importable,
    "reward.metric": rewards.is_importable_metric,
    "task": nas.tasks.is_importable,
    "evaluation.distillation.method": distillation.is_importable,
    "latency.engine": ENGINES.is_importable,
}
"""Whether other processes find what a setting names."""


def require_importable(config: SearchConfig) -> None:
    """Refuses several workers where they could not find what a setting names.

    Raises:
        UserError: If a setting holds a Python object, or the name of what is defined in this
            process alone, such as a class in a cell of a notebook.
    """
    if config.workers == 1:
        return
    values = flattened(config.model_dump(mode="json"))
    for key, value in values.items():
        if is_object(value):
            raise UserError(
                f"{key} is a Python object, which {config.workers} worker processes cannot share; "
                "use workers=1, or name it by an import path (file.py:Name)."
            )
    for key, name in _local(config, values):
        raise UserError(
            f"{key} {name!r} is defined in this process alone, so {config.workers} worker "
            "processes cannot import it; define it in a file, or use workers=1."
        )


def _local(config: SearchConfig, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings that name what other processes do not find, and these names."""
    for key, is_importable in _IMPORTABLE.items():
        if not _importable(is_importable, values.get(key)):
            yield key, values[key]
    for cost in [*(penalty.cost for penalty in config.reward.penalties), *config.limits]:
        if not _importable(COSTS.is_importable, cost):
            yield "the cost", cost


def _importable(is_importable: Callable[[Any], bool], name: Any) -> bool:
    try:
        return name is None or is_importable(name)
    except (ValueError, UserError):
        # The part that needs it says what is wrong with the name.
        return True
