from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nas.mutual_learning.losses import MutualLoss, Path, all_paths, divergence, paths_of

S = [[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]
T = [[2.0, 1.0, 0.0], [1.0, 1.0, -1.0]]
UP = [[0.2, 0.1, 0.9], [0.3, 0.0, -0.2]]
DOWN = [[0.5, 0.5, 1.0], [0.9, -0.3, 0.1]]


def tensor(values: list[list[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture
def logits() -> dict[Path, Tensor]:
    """Network 0 gives s, its peer t; D1(U0) gives up and D0(U1) down."""
    named = {(0, 0): S, (1, 1): T, (0, 1): UP, (1, 0): DOWN}
    return {path: tensor(values).requires_grad_() for path, values in named.items()}


@pytest.fixture
def task() -> Any:
    return partial(functional.cross_entropy, target=torch.tensor([2, 0]))


def test_divergence_of_fixed_logits() -> None:
    assert divergence(tensor(T), tensor(S)).item() == pytest.approx(0.801662541808, abs=1e-11)
    assert divergence(tensor(S), tensor(T)).item() == pytest.approx(0.809617398862, abs=1e-11)


def test_divergence_of_equal_logits_is_zero() -> None:
    assert divergence(tensor(S), tensor(S)).item() == 0


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (MutualLoss("independent"), 0.505868284891),
        (MutualLoss("dml"), 0.653765413349),
        (MutualLoss("dml", direction="to_peer"), 0.5 * (0.505868284891 + 0.809617398862)),
        (MutualLoss("xml"), 1.70685546659),
        (MutualLoss("xml", normaliser="2K"), 0.853427733297),
    ],
)
def test_loss_of_two_networks(
    loss: MutualLoss, expected: float, logits: dict[Path, Tensor], task: Any
) -> None:
    assert loss(0, logits, task).item() == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("method", ["independent", "dml", "xml"])
def test_gradient_reaches_what_the_network_computes(
    method: Any, logits: dict[Path, Tensor], task: Any
) -> None:
    MutualLoss(method)(0, logits, task).backward()
    learned = {(0, 0)} | ({(0, 1), (1, 0)} if method == "xml" else set())
    for path in learned:
        gradient = logits[path].grad
        assert gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_detached_peers_get_no_gradient(logits: dict[Path, Tensor], task: Any) -> None:
    MutualLoss("xml")(0, logits, task).backward()
    assert logits[1, 1].grad is None


def test_peers_that_are_not_detached_get_one(logits: dict[Path, Tensor], task: Any) -> None:
    MutualLoss("dml", detached=False)(0, logits, task).backward()
    gradient = logits[1, 1].grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_three_networks_take_the_mean_over_peers(task: Any) -> None:
    logits = {(0, 0): tensor(S), (1, 1): tensor(T), (2, 2): tensor(S)}
    assert MutualLoss("dml")(0, logits, task).item() == pytest.approx(
        0.5 * 0.505868284891 + 0.5 * (0.801662541808 + 0) / 2, abs=1e-11
    )


def test_equal_predictions_everywhere_leave_the_cross_entropy(task: Any) -> None:
    logits = {path: tensor(S) for path in all_paths(3, 3)}
    crossed = 3**3 - 2**3 - 1
    expected = 0.505868284891 * (1 + crossed) / crossed
    assert MutualLoss("xml")(0, logits, task).item() == pytest.approx(expected, abs=1e-11)


def test_xml_of_two_networks_needs_all_paths() -> None:
    assert paths_of(0, 2, 2, "xml") == ((0, 0), (1, 1), (0, 1), (1, 0))


@pytest.mark.parametrize("networks", [2, 3, 4])
def test_crossed_paths_of_a_network_are_twice_its_peers(networks: int) -> None:
    paths = paths_of(0, networks, 2, "xml")
    assert len(paths) == networks + 2 * (networks - 1)


def test_dml_needs_no_crossed_path() -> None:
    assert paths_of(1, 3, 2, "dml") == ((1, 1), (0, 0), (2, 2))
