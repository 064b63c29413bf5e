"""Trainings some of whose figures are not defined, as where a network rejects everybody."""

from __future__ import annotations

import json
import math

from nas.sweeping.assembly import scores_of


def test_a_figure_that_is_not_defined_is_no_number_among_the_others(tmp_path):
    scores = {"acer": {"all": 0.5}, "for_fdr_mean": {"all": None}}
    (tmp_path / "metrics.json").write_text(json.dumps({"validation": {"scores": scores}}))
    found = scores_of(tmp_path)
    assert found["acer"] == {"all": 0.5}
    assert math.isnan(found["for_fdr_mean"]["all"])
