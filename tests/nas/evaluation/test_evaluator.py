"""What evaluating a candidate gives, whatever its kind."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from digit_search import CONVOLUTIONS, POOLS
from face_search import CPU, meter_of

import latency
from nas.evaluation.evaluation import EvaluationError
from nas.evaluation.evaluator import Evaluator
from nas.kinds import kind_of
from nas.kinds.segmentation.preparation import prepare
from nas.models.encoder import fingerprint
from nas.training.seeding import seeded


@dataclass(frozen=True)
class Search:
    """Candidates of a kind.

    Attributes:
        make: Makes evaluators; what is shared, and changes of the settings.
        prepared: What candidates share.
        first: A candidate.
        second: Another one.
        rungs: Settings with rungs after two of three epochs.
        names: Of these rungs.
        plain: The same settings without rungs.
        curve: Name of its training.
        end: Name of the rung at its end.
    """

    make: Any
    prepared: Any
    first: Any
    second: Any
    rungs: dict[str, Any]
    names: tuple[str, ...]
    plain: dict[str, Any]
    curve: str
    end: str


@pytest.fixture(params=["segmentation", "classification"])
def search(request):
    if request.param == "segmentation":
        genotypes = request.getfixturevalue("genotypes")
        return Search(
            request.getfixturevalue("make_evaluator"),
            request.getfixturevalue("prepared"),
            genotypes.first,
            genotypes.second,
            {"stage0": {"epochs": 3, "batch_size": 8, "rungs": [1, 2]}},
            ("stage0 epoch 1", "stage0 epoch 2"),
            {"stage0": {"epochs": 3, "batch_size": 8}},
            "stage0",
            "stage0",
        )
    return Search(
        request.getfixturevalue("digit_evaluator"),
        request.getfixturevalue("plain_digits"),
        CONVOLUTIONS,
        POOLS,
        {"epochs": 3, "rungs": (1, 2), "polyak": 0.8},
        ("epoch 1", "epoch 2"),
        {"epochs": 3, "polyak": 0.8},
        "training",
        "epoch 3",
    )


def outcome(evaluation):
    """What must not depend on anything but genotype, seed and settings."""
    record = evaluation.to_record()
    return {key: record[key] for key in ("scores", "macro", "groups", "costs", "curves")}


def test_a_candidate_scores_the_same_whatever_came_before(search):
    evaluator = search.make()
    first = outcome(evaluator.evaluate(search.first, 0))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other = outcome(evaluator.evaluate(search.second, 0))
    again = outcome(evaluator.evaluate(search.first, 0))
    assert torch.equal(torch.get_rng_state(), before)
    assert again == first != other
    assert outcome(evaluator.evaluate(search.first, 1)) != first


def test_another_process_would_score_the_same(
    space, faces, make_settings, genotypes, evaluate, cache
):
    settings = make_settings(stage1={"enabled": True})
    parts = prepare(faces, settings, cache, CPU, 0)
    fresh = Evaluator(parts, settings, meter_of(space, parts, settings))
    assert outcome(fresh.evaluate(genotypes.first, 0)) == outcome(
        evaluate(stage1={"enabled": True})
    )


def test_an_evaluation_is_complete(search):
    evaluation = search.make(**search.plain).evaluate(search.first, 0)
    task = search.prepared.task
    assert set(kind_of(task).metrics) <= set(evaluation.scores)
    for values in evaluation.scores.values():
        assert set(values) == set(task.classes)
    occurring = [value for value in evaluation.scores["f1"].values() if not math.isnan(value)]
    assert evaluation.macro["f1"] == pytest.approx(sum(occurring) / len(occurring))
    assert set(evaluation.groups) == set(getattr(task, "groups", {}))
    assert {key: len(curve) for key, curve in evaluation.curves.items()} == {search.curve: 3}
    assert set(evaluation.seconds) == {"costs", "build", search.curve, "score", "total"}
    parts = sum(value for key, value in evaluation.seconds.items() if key != "total")
    assert evaluation.seconds["total"] == pytest.approx(parts)
    assert (evaluation.rung, evaluation.stopped) == (search.end, False)
    json.dumps(evaluation.to_record(), allow_nan=False)


def test_the_costs_are_those_of_the_deployed_network(search):
    evaluator = search.make()
    counts = latency.count(
        evaluator.costs.candidates.network(search.first), search.prepared.task.input_shape
    )
    assert evaluator.evaluate(search.first, 0).costs == {
        "params": counts.parameters,
        "macs": counts.macs,
        "flops": counts.flops,
    }


def test_candidates_start_from_weights_of_their_seed(search, monkeypatch):
    kind, started = kind_of(search.prepared.task), []
    phases = type(kind).phases

    def seen(self, candidate, *arguments):
        started.append(fingerprint(candidate.state_dict()))
        return phases(self, candidate, *arguments)

    monkeypatch.setattr(type(kind), "phases", seen)
    evaluator = search.make()
    for seed in (0, 0, 1):
        evaluator.evaluate(search.first, seed)
    with seeded(0, "weights"):
        expected = fingerprint(evaluator.costs.candidates.build(search.first).state_dict())
    assert started[0] == started[1] == expected != started[2]


def test_rungs_are_told_in_order_and_do_not_change_the_training(search):
    told = []
    plain = search.make(**search.plain).evaluate(search.first, 0)
    scored = search.make(**search.rungs).evaluate(
        search.first, 0, lambda rung: told.append(rung) or True
    )
    assert tuple(rung.name for rung in told) == search.names
    assert all(rung.costs == plain.costs for rung in told)
    assert told[0].scores != told[1].scores
    assert outcome(scored) == outcome(plain)
    assert (scored.rung, scored.stopped) == (search.end, False)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_stopped_candidate_has_the_scores_of_its_rung(search, epochs):
    told, at = {}, search.names[epochs - 1]

    def decide(rung):
        told[rung.name] = rung.scores
        return rung.name != at

    evaluation = search.make(**search.rungs).evaluate(search.first, 0, decide)
    assert (evaluation.rung, evaluation.stopped) == (at, True)
    assert evaluation.scores == told[at]
    assert {key: len(curve) for key, curve in evaluation.curves.items()} == {search.curve: epochs}


def test_the_test_split_is_not_read(search):
    def read():
        raise AssertionError("this split must not be read")

    task = search.prepared.task
    source = copy.copy(task.sources["test"])
    vars(source).pop("tensors", None)
    source.read = read
    task = replace(task, sources={**task.sources, "test": source})
    evaluation = search.make(replace(search.prepared, task=task)).evaluate(search.first, 0)
    assert math.isfinite(evaluation.macro["f1"])
    with pytest.raises(AssertionError, match="must not be read"):
        _ = task.dataset("test").images


def test_a_network_that_does_not_see_its_image_is_not_trained(digit_evaluator):
    evaluator = digit_evaluator()
    empty = evaluator.costs.candidates.space.parse(
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    )
    with pytest.raises(EvaluationError, match="no path leads from the image to the logits"):
        evaluator.evaluate(empty, 0)
