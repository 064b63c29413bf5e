from __future__ import annotations

import math

import numpy as np
import pytest

from nas.controllers import surrogate
from nas.controllers.surrogate import Ensemble, Kernel, squared_distances

BLOCKS = (slice(0, 2), slice(2, 3))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_squared_distances_are_those_of_each_block() -> None:
    x = np.array([[0.0, 0.0, 1.0], [3.0, 4.0, 3.0]])
    distances = squared_distances(x, x[:1], BLOCKS)
    assert distances.tolist() == [[[0.0], [25.0]], [[0.0], [4.0]]]


def test_kernel_falls_with_the_shared_distance() -> None:
    kernel = Kernel((0.25, 0.75), length=2.0, noise=0.1)
    # (0.25 * 8 + 0.75 * 4) / (2 * 2^2) = 0.625.
    assert kernel(np.array([[8.0], [4.0]])) == pytest.approx(math.exp(-0.625))


def test_one_process_is_the_textbook_posterior(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(surrogate, "_LENGTHS", (1.0,))
    monkeypatch.setattr(surrogate, "_NOISES", (0.5,))
    model = Ensemble([slice(0, 1)])
    model.fit(np.array([[0.0], [9.0]]), np.array([5.0, 1.0]))
    # Figures of mean 3 and deviation 2, as 1 and -1; 9 is so far from 0 that they do not meet.
    mean, std = model.predict(np.array([[0.0], [1.0], [4.5]]))
    k = math.exp(-0.5)
    assert mean == pytest.approx([3 + 2 / 1.5, 3 + 2 * k / 1.5, 3.0], abs=1e-3)
    assert std == pytest.approx(
        [2 * math.sqrt(1 - 1 / 1.5), 2 * math.sqrt(1 - k**2 / 1.5), 2.0], abs=1e-3
    )


def test_block_that_explains_the_figures_is_emphasised(rng: np.random.Generator) -> None:
    x = rng.normal(size=(80, 3))
    unseen = rng.normal(size=(200, 3))
    model = Ensemble(BLOCKS)
    model.fit(x, np.sin(2 * x[:, 2]))
    error = model.predict(unseen)[0] - np.sin(2 * unseen[:, 2])
    model.fit(x, rng.permutation(np.sin(2 * x[:, 2])))
    blind = model.predict(unseen)[0] - np.sin(2 * unseen[:, 2])
    assert np.sqrt((error**2).mean()) < 0.3
    assert np.sqrt((blind**2).mean()) > 0.6


def test_prediction_follows_scale_and_offset(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    model = Ensemble(BLOCKS)
    model.fit(x, y)
    mean, std = model.predict(x)
    model.fit(x, 7 + 100 * y)
    scaled_mean, scaled_std = model.predict(x)
    assert scaled_mean == pytest.approx(7 + 100 * mean)
    assert scaled_std == pytest.approx(100 * std)


def test_draws_have_the_mean_and_deviation_of_the_prediction(rng: np.random.Generator) -> None:
    x = rng.normal(size=(15, 3))
    unseen = rng.normal(size=(4, 3))
    model = Ensemble(BLOCKS)
    model.fit(x, x.sum(axis=1))
    mean, std = model.predict(unseen)
    draws = np.array([model.sample(unseen, rng) for _ in range(1500)])
    assert draws.mean(axis=0) == pytest.approx(mean, abs=4 * std.max() / math.sqrt(1500))
    assert draws.std(axis=0) == pytest.approx(std, rel=0.12)


def test_draw_gives_close_candidates_close_figures(rng: np.random.Generator) -> None:
    model = Ensemble(BLOCKS)
    model.fit(rng.normal(size=(3, 3)), np.array([0.0, 1.0, 2.0]))
    pair = np.array([[9.0, 9.0, 9.0], [9.0, 9.0, 9.01]])
    draws = np.array([model.sample(pair, rng) for _ in range(50)])
    assert draws[:, 0].std() > 0.3
    assert np.abs(draws[:, 0] - draws[:, 1]).max() < 0.1


def test_equal_figures_and_a_single_one_are_fitted() -> None:
    model = Ensemble(BLOCKS)
    model.fit(np.zeros((3, 3)), np.full(3, 0.5))
    assert model.predict(np.zeros((1, 3)))[0] == pytest.approx(0.5)
    model.fit(np.zeros((1, 3)), np.array([0.25]))
    assert model.predict(np.ones((1, 3)))[0] == pytest.approx(0.25)
