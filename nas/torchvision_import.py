"""Imports torchvision also where its compiled operators are missing.

A CPU build of torch may meet a torchvision wheel whose compiled operators do not load. Importing
torchvision then stops at a decorator that names an operator nobody has defined. Nothing here uses
those operators, so their schemas alone are enough for the import.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)
_MISSING = "operator torchvision::nms does not exist"

# A library's definitions live only as long as the object.
_libraries: list[torch.library.Library] = []


def _import_torchvision() -> ModuleType:
    """Returns torchvision; defines the schemas that its import needs if they are missing."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _libraries.append(library)
    return importlib.import_module("torchvision")


torchvision = _import_torchvision()

__all__ = ["torchvision"]
