from __future__ import annotations

import numpy as np
import pytest

import search_spaces
from nas.controllers.gaussian_process import Kernel, Likeness, Process, fitted_kernel
from nas.controllers.neighbours import Choices, random_choices
from nas.controllers.traits import TraitReader, Traits

NONE, SKIP, CONV1, CONV3, POOL = range(5)
KERNEL = Kernel(rates=(1.0, 1.0), shares=(0.3, 0.3, 0.4), noise=1e-4)


@pytest.fixture(scope="module")
def reader() -> TraitReader:
    return TraitReader(search_spaces.create("nasbench201"))


def some(count: int, seed: int = 0) -> Choices:
    return random_choices(search_spaces.create("nasbench201"), count, np.random.default_rng(seed))


def watching(kernel: Kernel, known: Traits, candidates: Traits) -> Process:
    process = Process(kernel, Likeness.of(known, known))
    process.watch(candidates, Likeness.of(known, candidates))
    return process


def test_kernel_by_hand() -> None:
    likeness = Likeness(*(np.array([[value]], dtype=np.float32) for value in (0.5, 2.0, 3.0)))
    kernel = Kernel(rates=(2.0, 0.5), shares=(0.2, 0.5, 0.3), noise=0.1)
    expected = 0.2 * np.exp(-1) + 0.5 * np.exp(-1) + 0.3 * 3
    assert kernel(likeness)[0, 0] == pytest.approx(expected, rel=1e-5)


def test_variance_is_the_covariance_of_a_candidate_with_itself(reader: TraitReader) -> None:
    traits = reader(some(10))
    diagonal = np.diag(KERNEL(Likeness.of(traits, traits)))
    assert KERNEL.variances(traits) == pytest.approx(diagonal, abs=1e-4)


def test_figures_that_are_known_are_predicted_without_doubt(reader: TraitReader) -> None:
    traits, values = reader(some(20)), np.random.default_rng(1).normal(50, 10, size=20)
    far = reader(some(20, seed=9))
    mean, std = watching(KERNEL, traits, traits).predict(values)
    assert mean == pytest.approx(values, abs=0.5)
    assert std.max() < 0.5 * watching(KERNEL, traits, far).predict(values)[1].min()


def test_predictions_have_the_closed_form(reader: TraitReader) -> None:
    known, asked = reader(some(15)), reader(some(4, seed=1))
    values = np.random.default_rng(2).normal(size=15)
    covariance = KERNEL(Likeness.of(known, known)) + (KERNEL.noise + 1e-4) * np.eye(15)
    across = KERNEL(Likeness.of(known, asked))
    inverse = np.linalg.inv(covariance)
    scaled = (values - values.mean()) / values.std()
    mean = values.mean() + values.std() * across.T @ inverse @ scaled
    left = KERNEL.variances(asked) - np.diag(across.T @ inverse @ across)
    std = values.std() * np.sqrt(left * (scaled @ inverse @ scaled) / 15)
    found = watching(KERNEL, known, asked).predict(values)
    assert found[0] == pytest.approx(mean, abs=2e-3)
    assert found[1] == pytest.approx(std, rel=2e-3)


def test_candidates_added_one_by_one_count_like_those_from_the_start(reader: TraitReader) -> None:
    choices, values = some(30), np.random.default_rng(3).normal(size=30)
    known, asked = reader(choices), reader(some(50, seed=1))
    process = watching(KERNEL, known[:20], asked)
    for row in range(20, 30):
        new = known[row : row + 1]
        process.add(new, Likeness.of(known[:row], new), Likeness.of(new, asked))
    whole = watching(KERNEL, known, asked)
    for found, expected in zip(process.predict(values), whole.predict(values), strict=True):
        assert found == pytest.approx(expected, abs=2e-3)


def test_means_of_any_candidates_are_those_of_the_ones_watched(reader: TraitReader) -> None:
    known, asked = reader(some(20)), reader(some(30, seed=1))
    values = np.random.default_rng(4).normal(100, 3, size=20)
    process = watching(KERNEL, known, asked)
    means = process.means(values, Likeness.of(known, asked))
    assert means == pytest.approx(process.predict(values)[0], abs=5e-3)


def test_a_cost_that_sums_over_operations_is_known_from_a_dozen_trials(reader: TraitReader) -> None:
    def cost(choices: Choices) -> np.ndarray:
        return 2.0 + np.array([0.0, 0.1, 1.0, 3.0, 0.5])[choices].sum(axis=1)

    choices, others = some(12), some(200, seed=1)
    known = reader(choices)
    likeness = Likeness.of(known, known)
    process = Process(fitted_kernel(likeness, cost(choices)), likeness)
    found = process.means(cost(choices), Likeness.of(known, reader(others)))
    assert np.abs(found - cost(others)).max() < 0.1 * np.ptp(cost(others))


def test_kernel_follows_what_a_figure_depends_on(reader: TraitReader) -> None:
    traits = reader(some(100))
    likeness = Likeness.of(traits, traits)
    rng = np.random.default_rng(5)
    of_networks = traits.network @ rng.normal(size=traits.network.shape[1])
    of_totals = traits.totals @ rng.normal(size=traits.totals.shape[1])
    network, totals = (fitted_kernel(likeness, y.astype(float)) for y in (of_networks, of_totals))
    assert network.shares[1] > totals.shares[1]
    assert totals.shares[2] > 0.9


def test_noise_is_recognised(reader: TraitReader) -> None:
    traits = reader(some(100))
    likeness = Likeness.of(traits, traits)
    rng = np.random.default_rng(6)
    clean = (traits.totals @ rng.normal(size=traits.totals.shape[1])).astype(float)
    noisy = rng.normal(size=100)
    assert fitted_kernel(likeness, clean).noise < 0.01 < fitted_kernel(likeness, noisy).noise


def test_a_figure_that_never_varies_is_predicted_to_stay(reader: TraitReader) -> None:
    known, asked = reader(some(10)), reader(some(5, seed=1))
    values = np.full(10, 7.0)
    kernel = fitted_kernel(Likeness.of(known, known), values)
    mean, std = watching(kernel, known, asked).predict(values)
    assert mean.tolist() == [7.0] * 5
    assert std.tolist() == [0.0] * 5
