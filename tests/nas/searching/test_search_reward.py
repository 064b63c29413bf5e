from __future__ import annotations

from typing import Any

import pytest

import search_spaces
from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError
from nas.evaluation.known import Known
from nas.searching.config import SearchConfig
from nas.searching.reward import with_bases
from search_spaces.genotype import Genotype

SPACE = search_spaces.create("nasbench201")


class Costs:
    """Costs by the number of convolutions; some genotypes have none at all."""

    def __init__(self, refused: str = "never") -> None:
        self.refused = refused
        self.measured: list[float] = []

    def counts(self, genotype: Genotype) -> dict[str, float]:
        text = str(genotype)
        if self.refused in text:
            raise EvaluationError("it cannot be built")
        return {"flops": float(text.count("conv"))}

    def known(self, genotype: Genotype) -> Known:
        costs = self.counts(genotype)
        self.measured.append(costs["flops"])
        return Known(costs | {"energy": 100 * costs["flops"]})


def bases(costs: Costs, *names: str, **settings: Any) -> list[float | str]:
    penalties = [{"cost": name, **settings} for name in names]
    config = SearchConfig.model_validate({"reward": {"penalties": penalties}})
    found = with_bases(config, SPACE, costs, lambda sentence: None)
    return [penalty.base for penalty in found.reward.penalties]


def test_an_automatic_base_is_the_median_of_what_costs_something() -> None:
    costs = Costs()
    assert bases(costs, "flops") in ([2.0], [2.5], [3.0])
    assert costs.measured == []


def test_only_the_middle_of_the_flops_is_measured() -> None:
    costs = Costs()
    (flops, energy) = bases(costs, "flops", "energy")
    assert energy == 100 * flops
    assert len(costs.measured) == 11
    assert set(costs.measured) == {flops}


def test_a_given_base_stays() -> None:
    assert bases(Costs("conv"), "flops", base=7.0) == [7.0]


def test_candidates_without_costs_are_left_out() -> None:
    # A decision without a pooling is a convolution more often.
    (all_of_them,), (others,) = bases(Costs(), "flops"), bases(Costs("avg_pool_3x3"), "flops")
    assert others > all_of_them


def test_a_space_without_costs_is_refused() -> None:
    with pytest.raises(UserError, match="base of a penalty cannot be found: it cannot be built"):
        bases(Costs('"'), "flops")
