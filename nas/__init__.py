"""Neural architecture search with distillation, from images to the Pareto front.

`load` gives back a network that ``nas retrain``, ``train`` or ``distill`` made, and
`describe` says how to feed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.kinds.network_file import describe, load

__all__ = ["describe", "load"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `nas --help` has no use for torch.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nas.kinds import network_file

    return getattr(network_file, name)
