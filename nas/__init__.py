"""Neural architecture search with distillation, from images to the Pareto front.

`search` finds small networks for a task, `open` gives an earlier search, `retrain` trains a
candidate in full; `train`, `distill`, `evaluate` and `ensemble` do without a search, `sweep` trains
with every value of a setting, `pretrain` makes encoders for a search, and `mutual` trains networks
that learn from each other; `load` gives back a network, `anytime` one that answers within a budget,
`describe` says how to feed it, and `predict` what it says of new images.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.api.mutual import MutualRun, mutual
    from nas.api.predictions import predict
    from nas.api.pretraining import pretrain
    from nas.api.results import Retrained, Run, TrainedRun
    from nas.api.searches import open, retrain, search
    from nas.api.sweeps import SweepRun, sweep
    from nas.api.trainings import distill, ensemble, evaluate, train
    from nas.errors import UserError
    from nas.kinds.network_file import describe, load
    from nas.mutual_learning.anytime_file import anytime
    from nas.results import Records

__all__ = [
    "MutualRun",
    "Records",
    "Retrained",
    "Run",
    "SweepRun",
    "TrainedRun",
    "UserError",
    "anytime",
    "describe",
    "distill",
    "ensemble",
    "evaluate",
    "load",
    "mutual",
    "open",
    "predict",
    "pretrain",
    "retrain",
    "search",
    "sweep",
    "train",
]

_MODULES = {
    "MutualRun": "nas.api.mutual",
    "Records": "nas.results",
    "Retrained": "nas.api.results",
    "Run": "nas.api.results",
    "SweepRun": "nas.api.sweeps",
    "TrainedRun": "nas.api.results",
    "UserError": "nas.errors",
    "anytime": "nas.mutual_learning.anytime_file",
    "describe": "nas.kinds.network_file",
    "distill": "nas.api.trainings",
    "ensemble": "nas.api.trainings",
    "evaluate": "nas.api.trainings",
    "load": "nas.kinds.network_file",
    "mutual": "nas.api.mutual",
    "open": "nas.api.searches",
    "predict": "nas.api.predictions",
    "pretrain": "nas.api.pretraining",
    "retrain": "nas.api.searches",
    "search": "nas.api.searches",
    "sweep": "nas.api.sweeps",
    "train": "nas.api.trainings",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `nas --help` has no use for torch.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
