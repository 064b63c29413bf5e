"""The settings of a first look are ones that a search knows."""

from __future__ import annotations

from pathlib import Path

from nas.searching.reading import load_config

FILE = Path(__file__).parents[2] / "examples" / "first_look.yaml"


def test_a_first_look_is_a_search_of_a_few_candidates() -> None:
    config = load_config(FILE, {"task": "faces"})
    assert config.trials == 6
    assert config.evaluation.stage0.epochs == 3
