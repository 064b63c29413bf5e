"""The space of a search that gives limits and names no space."""

from __future__ import annotations

import pytest

import latency
from nas.cli.limits import amount
from nas.errors import UserError
from nas.searching.reading import load_config
from nas.searching.sizing import space_within
from search_spaces.genotype import Genotype

PARAMETERS = {"nano": (8_000, 100_000), "micro": (20_000, 200_000), "small": (20_000, 500_000)}


class Spread:
    """Forty candidates with parameters evenly between two numbers, and 100 times as many FLOPs."""

    def __init__(self, least: int, most: int) -> None:
        self._parameters = iter(range(least, most + 1, (most - least) // 39))

    def sample(self, rng):
        return Genotype("spread", next(self._parameters))

    def counts(self, genotype):
        parameters = genotype.value
        return latency.Counts(parameters, 50 * parameters, 100 * parameters)


def chosen(**limits: float) -> tuple[str, list[str]]:
    config = load_config(None, {"space.name": "small", "limits": limits})
    said: list[str] = []
    name = space_within(config, lambda one: (config, Spread(*PARAMETERS[one])), "cpu", said.append)
    return name, said


@pytest.mark.parametrize(
    ("limit", "name"),
    [(2e6, "small"), (300e3, "small"), (80e3, "micro"), (45e3, "nano"), (9e3, "nano")],
)
def test_the_largest_networks_of_which_enough_are_within_the_limit(limit, name):
    assert chosen(params=limit)[0] == name


def test_every_limit_counts():
    assert chosen(params=300e3)[0] == "small"
    assert chosen(params=300e3, flops=8e6)[0] == "micro"


def test_the_choice_is_told():
    assert chosen(params=2e6)[1] == [
        "space small: 100% of 40 sampled candidates are within the limits"
    ]


def test_what_no_space_meets_is_refused_with_a_limit_that_one_does():
    with pytest.raises(UserError, match="no space has networks within the limits") as error:
        chosen(params=3e3)
    told = str(error.value).split("--limit params=")[1].removesuffix(".")
    assert chosen(params=amount("params", told, "--limit"))[0] == "nano"


def test_only_limits_that_are_exceeded_are_to_be_raised():
    with pytest.raises(UserError) as error:
        chosen(params=3e3, flops=1e12)
    assert "--limit params=" in str(error.value)
    assert "--limit flops=" not in str(error.value)


def test_an_unknown_cost_is_refused():
    with pytest.raises(UserError, match="no cost 'steps' to limit"):
        chosen(steps=3)
