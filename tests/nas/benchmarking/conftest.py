"""A table that is read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.benchmarking.board import Board
from nas.searching.config import TableSearchConfig


@pytest.fixture(scope="session")
def board(toy_table: Path) -> Board:
    return Board.load(TableSearchConfig(table=str(toy_table)))


@pytest.fixture
def config(toy_table: Path) -> TableSearchConfig:
    values: dict[str, Any] = {"controller": {"name": "random"}, "dataset": "shapes", "trials": 10}
    return TableSearchConfig.model_validate({"table": str(toy_table), **values})
