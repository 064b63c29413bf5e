"""Makes ``import torchvision`` work where its compiled operators do not fit torch.

A CPU build of torch may meet a torchvision wheel that was compiled for CUDA. Its operators do not
load then, and its import stops at a decorator that names an operator nobody has defined. Nothing
here uses those operators, so their schemas alone are enough for the import.

Nothing is imported by this module itself: ``make install`` has it run whenever Python starts in an
environment that needs it, so that others can import torchvision, or timm, before `nas`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)
# This module of torchvision is the first that needs the operators, and follows the one that loads
# them.
_NEEDS_THEM, _LOADS_THEM = "torchvision._meta_registrations", "torchvision.extension"

# A library's definitions live only as long as the object.
_libraries: list[Any] = []


class Completion(MetaPathFinder):
    """Defines the operators that did not load, before the first module that needs them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Finds nothing: the module is where it always is."""
        if name == _NEEDS_THEM and not importlib.import_module(_LOADS_THEM)._has_ops():
            _define()


def install() -> None:
    """Completes torchvision when it is imported; does nothing the second time."""
    if not any(isinstance(finder, Completion) for finder in sys.meta_path):
        sys.meta_path.insert(0, Completion())


def _define() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _libraries.append(library)
