"""Neural architecture search with distillation, from images to the Pareto front.

`load` gives back a network that ``nas retrain`` made, and `describe` says how to feed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.retraining.network_file import load_network as load
    from nas.retraining.network_file import read_description as describe

__all__ = ["describe", "load"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `nas --help` has no use for torch.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nas.retraining import network_file

    return {"load": network_file.load_network, "describe": network_file.read_description}[name]
