"""A tiny finished search, a table, and the command line, for the tests of what reads them."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

# Fixtures of several folders; each conftest imports those that its tests use.
sys.path.insert(0, str(Path(__file__).parent / "shared"))

ENCODER = "mobilenetv3_small_050"
TINY = (
    *("--encoder", ENCODER, "--encoder-weights", "none", "--device", "cpu"),
    *("--controller", "random", "--trials", "3"),
    *("--set", "evaluation.stage0={epochs: 1, batch_size: 8}"),
    *("--space", "fastnas", "--set", "space.options={branches: 2, cells: 1, width: 8}"),
)
FACES = (
    *("--set", "task_options={train: 24, validation: 8, test: 8, size: 32}"),
    *("--set", "reward.classes=[background, skin, hair]"),
)
TEACHER = (
    *("--set", f"evaluation.teacher.encoder={{name: {ENCODER}, weights: none}}"),
    "--set",
    "evaluation.teacher.training="
    "{epochs: 4, batch_size: 4, augmentation: none, polyak: null, encoder_learning_rate: 0.003}",
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def nas() -> Command:
    """Runs a command in this process, as importing torch takes seconds."""
    from nas.cli import app

    def run(*arguments: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["nas", *map(str, arguments)])
            patch.setenv("COLUMNS", os.environ.get("COLUMNS", "80"))
            try:
                app.run()
            except SystemExit as end:
                code = end.code or 0
        assert isinstance(code, int)
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def faces_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the faces of these tests are kept."""
    return tmp_path_factory.mktemp("faces")


@pytest.fixture
def tiny(faces_cache: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Options of `nas search` that make it as small as it can be, without a teacher."""
    _be_small(monkeypatch, faces_cache)
    return (*TINY, *FACES, "--no-distillation")


@pytest.fixture
def tiny_own_data(faces_cache: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The same for a task of one's own."""
    _be_small(monkeypatch, faces_cache)
    return (*TINY, "--no-distillation")


@pytest.fixture(scope="session")
def tiny_options() -> tuple[str, ...]:
    """The same options, for a fixture that lasts longer than a test."""
    return (*TINY, "--no-distillation")


@pytest.fixture(scope="session")
def finished_search(
    nas: Command, faces_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Outcome]:
    """The folder of a finished search with a teacher, not to be written to, and its output."""
    folder = tmp_path_factory.mktemp("searches") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        _be_small(patch, faces_cache)
        outcome = nas("search", "--run", folder, "--penalty", "flops", *TINY, *FACES, *TEACHER)
    assert outcome.code == 0, outcome.err
    return folder, outcome


@pytest.fixture
def finished_run(finished_search: tuple[Path, Outcome], tiny: tuple[str, ...]) -> Path:
    """The folder of a finished search, not to be written to."""
    return finished_search[0]


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the finished search, to be changed."""
    yield shutil.copytree(finished_run, tmp_path / "own")


def _be_small(patch: pytest.MonkeyPatch, cache: Path) -> None:
    patch.setenv("NAS_CACHE", str(cache))
    # The median of fewer candidates does as well here.
    patch.setattr("nas.searching.reward._SAMPLES", 20)
    # Two threads for a network this small only wait for each other.
    patch.setattr("nas.searching.worker.available_cpus", lambda: 1)


@pytest.fixture(scope="session")
def toy_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of all NAS-Bench-201 cells, whose accuracies count convolutions.

    ``shapes`` has validation after 4 and 12 epochs and a test accuracy; ``dots`` has validation
    after 12 epochs alone. A 3x3 convolution is worth 10 percent points, a 1x1 convolution 6.
    """
    words = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    cells = list(itertools.product(words, repeat=6))
    large = np.array([cell.count("nor_conv_3x3") for cell in cells], dtype=np.float64)
    small = np.array([cell.count("nor_conv_1x1") for cell in cells], dtype=np.float64)
    score = 10 + 10 * large + 6 * small
    path = tmp_path_factory.mktemp("tables") / "toy.npz"
    np.savez(
        path,
        arch=["|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*cell) for cell in cells],
        notes=["not read"] * len(cells),
        params=1000 + 900 * large + 100 * small,
        flops=1e6 * (1 + 9 * large + small),
        latency_ms_toy=1 + 2 * large + small,
        seconds=np.full(len(cells), 36.0),
        shapes_val4=score / 2,
        shapes_val12=score,
        shapes_test200=score + 20,
        dots_val12=100 - score,
    )
    return path
