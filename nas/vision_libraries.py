"""timm and torchvision, each imported when it is first used.

Both take seconds to import, and reading a run or searching a table uses neither. A module that
builds networks or transforms with them asks for them where it does so:
``vision_libraries.timm.create_model(...)``. They import also where the compiled operators of
torchvision are missing; see `nas.torchvision_operators`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nas.torchvision_operators import install

if TYPE_CHECKING:
    import timm
    import torchvision
    from torchvision import tv_tensors
    from torchvision.transforms import v2

__all__ = ["timm", "torchvision", "tv_tensors", "v2"]

_MODULES = {
    "timm": "timm",
    "torchvision": "torchvision",
    "tv_tensors": "torchvision.tv_tensors",
    "v2": "torchvision.transforms.v2",
}

# Before anything imports them, be it a network of a user's.
install()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(_MODULES[name])
