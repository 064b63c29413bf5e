"""Neural architecture search with distillation, from images to the Pareto front.

`search` finds small networks for a task, `open` gives an earlier search, `retrain` trains a
candidate in full; `train`, `distill` and `evaluate` do without a search, and `mutual` trains
networks that learn from each other; `load` gives back a network, and `describe` says how to feed
it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.api import (
        MutualRun,
        Retrained,
        Run,
        TrainedRun,
        distill,
        evaluate,
        mutual,
        open,
        retrain,
        search,
        train,
    )
    from nas.errors import UserError
    from nas.kinds.network_file import describe, load
    from nas.results import Records

__all__ = [
    "MutualRun",
    "Records",
    "Retrained",
    "Run",
    "TrainedRun",
    "UserError",
    "describe",
    "distill",
    "evaluate",
    "load",
    "mutual",
    "open",
    "retrain",
    "search",
    "train",
]

_MODULES = {
    "Records": "nas.results",
    "UserError": "nas.errors",
    "describe": "nas.kinds.network_file",
    "load": "nas.kinds.network_file",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `nas --help` has no use for torch.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES.get(name, "nas.api")), name)
