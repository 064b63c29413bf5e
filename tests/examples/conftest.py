from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import search_spaces.registry
from nas import controllers, distillation

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder; what its files register is forgotten afterwards."""
    for registry in (
        search_spaces.registry._SPACES,
        controllers.registry._CONTROLLERS,
        distillation.losses._LOSSES,
    ):
        monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield EXAMPLES
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]
