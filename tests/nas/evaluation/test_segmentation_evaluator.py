from __future__ import annotations

import json
import math

import pytest
import torch

from nas.evaluation import segmentation as module
from nas.evaluation.evaluator import SegmentationEvaluator
from nas.kinds.segmentation.preparation import prepare
from nas.models.encoder import fingerprint
from nas.models.segmentation import SegmentationNetwork
from nas.training.fit import score_network
from nas.training.seeding import seeded

CPU = torch.device("cpu")
STAGE1 = {"stage1": {"enabled": True}}
ONLY_STAGE1 = {"stage0": {"enabled": False}, "stage1": {"enabled": True}}


@pytest.fixture(scope="module")
def stage0(evaluate):
    """An evaluation with stage 0 alone."""
    return evaluate()


@pytest.fixture(scope="module")
def stage1(evaluate):
    """An evaluation with stage 1 alone."""
    return evaluate(**ONLY_STAGE1)


def outcome(evaluation):
    """What must not depend on anything but genotype, seed and settings."""
    record = evaluation.to_record()
    return {key: record[key] for key in ("scores", "macro", "groups", "costs", "curves")}


@pytest.mark.parametrize("changes", [{}, STAGE1], ids=["stage0", "both"])
def test_a_candidate_scores_the_same_whatever_came_before(
    make_evaluator, prepared, genotypes, changes
):
    evaluator = make_evaluator(**changes)
    encoder = fingerprint(prepared.encoder.state_dict())
    first = outcome(evaluator.evaluate(genotypes.first, 0))
    other = outcome(evaluator.evaluate(genotypes.second, 0))
    torch.rand(5)
    again = outcome(evaluator.evaluate(genotypes.first, 0))
    assert again == first
    assert other != first
    assert fingerprint(prepared.encoder.state_dict()) == encoder


def test_another_process_would_score_the_same(
    space, faces, make_settings, genotypes, evaluate, cache
):
    settings = make_settings(**STAGE1)
    fresh = SegmentationEvaluator(space, prepare(faces, settings, cache, CPU, 0), settings)
    assert outcome(fresh.evaluate(genotypes.first, 0)) == outcome(evaluate(**STAGE1))


def test_the_seed_matters_and_the_global_state_does_not(evaluate, stage0):
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert outcome(evaluate(seed=0)) == outcome(stage0)
    assert torch.equal(torch.get_rng_state(), before)
    assert evaluate(seed=1).curves != stage0.curves


def test_an_evaluation_is_complete(evaluate, faces):
    evaluation = evaluate(**STAGE1)
    assert set(evaluation.scores) == set(evaluation.macro) == {"f1", "iou", "accuracy"}
    assert set(evaluation.scores["f1"]) == set(faces.classes)
    assert set(evaluation.groups) == {"eyes", "brows", "overall"}
    assert {key: len(curve) for key, curve in evaluation.curves.items()} == {
        "stage0": 2,
        "stage1": 1,
    }
    assert set(evaluation.seconds) == {"costs", "build", "stage0", "stage1", "score", "total"}
    parts = sum(value for key, value in evaluation.seconds.items() if key != "total")
    assert evaluation.seconds["total"] == pytest.approx(parts)
    json.dumps(evaluation.to_record(), allow_nan=False)


def test_training_lowers_the_loss(evaluate):
    curve = evaluate(stage0={"epochs": 8}).curves["stage0"]
    assert curve[-1] < 0.8 * curve[0]


def test_scores_on_cached_maps_are_those_of_the_whole_network(
    make_evaluator, prepared, genotypes, faces, monkeypatch
):
    trained = []

    def train(decoder, parts, settings, seed, at_rung):
        # Statistics that differ from those of a new network, so that the mode matters.
        trained.append(decoder.train())
        decoder(parts.train.gather(slice(0, 8)))
        return []

    monkeypatch.setattr(module, "train_decoder", train)
    evaluation = make_evaluator().evaluate(genotypes.first, 0)
    network = SegmentationNetwork(prepared.encoder, trained[0]).eval()
    card = score_network(network, faces, "validation", CPU)
    assert evaluation.macro == pytest.approx(card.macro, abs=1e-3)
    assert len(set(evaluation.scores["f1"].values())) > 2


def test_candidates_start_from_weights_of_their_seed(make_evaluator, genotypes, monkeypatch):
    started = []

    def train(decoder, parts, settings, seed, at_rung):
        started.append(fingerprint(decoder.state_dict()))
        return []

    monkeypatch.setattr(module, "train_decoder", train)
    evaluator = make_evaluator()
    for seed in (0, 0, 1):
        evaluator.evaluate(genotypes.first, seed)
    with seeded(0, "weights"):
        expected = fingerprint(evaluator.costs.candidates.build(genotypes.first).state_dict())
    assert started[0] == started[1] == expected
    assert started[2] != expected


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        (STAGE1, ["stage0", "stage1"]),
        (ONLY_STAGE1, ["stage1"]),
        ({"stage0": {"epochs": 3}}, ["stage0"]),
        ({"stage0": {"batch_size": 12}}, ["stage0"]),
        ({"stage0": {"learning_rate": 0.01}}, ["stage0"]),
        ({"stage0": {"clip": 0.001}}, ["stage0"]),
        ({"stage0": {"polyak": None}}, ["stage0"]),
        ({"stage0": {"loss_size": "input"}}, ["stage0"]),
        ({"stage0": {"precision": "bfloat16"}}, ["stage0"]),
        ({"auxiliary_weight": 0.0}, ["stage0"]),
        ({"auxiliary_weight": 0.5}, ["stage0"]),
        ({"class_weights": "equal"}, ["stage0"]),
    ],
    ids=str,
)
def test_every_switch_works_by_itself(evaluate, stage0, changes, stages):
    changed = evaluate(**changes)
    assert sorted(changed.curves) == stages
    assert all(math.isfinite(loss) for curve in changed.curves.values() for loss in curve)
    assert 0 <= changed.macro["f1"] <= 1
    assert outcome(changed) != outcome(stage0)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 2},
        {"batch_size": 12},
        {"encoder_learning_rate": 0.1},
        {"decoder_learning_rate": 0.01},
        {"clip": 0.001},
        {"polyak": None},
        {"augmentation": "none"},
        {"augmentation": "full"},
        {"freeze_batch_norm": True},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_every_switch_of_stage_1_works_by_itself(evaluate, stage1, change):
    changed = evaluate(stage0={"enabled": False}, stage1={"enabled": True} | change)
    assert set(changed.curves) == {"stage1"}
    assert all(math.isfinite(loss) for loss in changed.curves["stage1"])
    assert outcome(changed) != outcome(stage1)


def test_auxiliary_heads_that_weigh_nothing_are_not_trained(evaluate, monkeypatch):
    heads = []

    def train(decoder, parts, settings, seed, at_rung):
        heads.append(len(decoder.auxiliary_heads))
        return []

    monkeypatch.setattr(module, "train_decoder", train)
    for weight in (0.15, 0.0):
        evaluate(auxiliary_weight=weight)
    assert heads == [2, 0]


@pytest.mark.parametrize("stages", [{}, ONLY_STAGE1], ids=["stage0", "stage1"])
def test_distillation_works_in_either_stage_and_can_be_off(
    evaluate, taught, stage0, stage1, stages
):
    expected = stage1 if stages else stage0
    off = evaluate(taught, **stages)
    assert outcome(off) == outcome(expected)
    on = evaluate(taught, distillation={"enabled": True}, **stages)
    # A term that is never negative comes on top of the first losses.
    (stage,) = on.curves
    assert on.curves[stage][0] > off.curves[stage][0]


def test_each_distillation_setting_gives_losses_of_its_own(evaluate, taught):
    curves = {
        tuple(evaluate(taught, distillation={"enabled": True} | options).curves["stage0"])
        for options in (
            {"weight": 0.3},
            {"weight": 0.6},
            {"method": "soft_target"},
            {"method": "soft_target", "options": {"temperature": 1.0}},
            {"method": "dkd"},
            {"method": "mgd"},
        )
    }
    assert len(curves) == 6


def test_stage_1_learns_from_features_too(evaluate, taught):
    curves = {
        method: evaluate(
            taught, distillation={"enabled": True, "method": method}, **ONLY_STAGE1
        ).curves["stage1"]
        for method in ("logit_mse", "attention", "mgd")
    }
    assert len({tuple(curve) for curve in curves.values()}) == 3


def test_the_teacher_runs_on_the_batches_of_stage_1_and_not_in_stage_0(evaluate, taught):
    seen = []
    handle = taught.teacher.register_forward_hook(
        lambda network, inputs, logits: seen.append((inputs[0], logits, network.training))
    )
    before = fingerprint(taught.teacher.state_dict())
    evaluate(taught, distillation={"enabled": True})
    assert seen == []
    evaluate(taught, distillation={"enabled": True}, **ONLY_STAGE1)
    handle.remove()
    # A single image is a dry run, which learns the shapes.
    seen = [call for call in seen if len(call[0]) > 1]
    assert [len(images) for images, _, _ in seen] == [8, 8, 8]
    assert not any(logits.requires_grad or training for _, logits, training in seen)
    assert fingerprint(taught.teacher.state_dict()) == before


def test_stage_1_goes_on_from_the_decoder_of_stage_0(
    make_evaluator, prepared, genotypes, monkeypatch
):
    states = []
    train_network = module.train_network

    def train(decoder, parts, settings, seed):
        states.append(fingerprint(decoder.state_dict()))
        network, curve = train_network(decoder, parts, settings, seed)
        states.append(fingerprint(network.decoder.state_dict()))
        states.append(fingerprint(network.encoder.state_dict()))
        return network, curve

    monkeypatch.setattr(module, "train_network", train)
    evaluator = make_evaluator(**STAGE1)
    evaluator.evaluate(genotypes.first, 0)
    with seeded(0, "weights"):
        new = fingerprint(evaluator.costs.candidates.build(genotypes.first).state_dict())
    assert len({new, *states[:2]}) == 3
    assert states[2] != fingerprint(prepared.encoder.state_dict())


@pytest.mark.parametrize("changes", [{}, STAGE1], ids=["stage0", "both"])
def test_the_test_split_is_not_read(evaluate, faces, changes):
    assert math.isfinite(evaluate(**changes).macro["f1"])
    with pytest.raises(AssertionError, match="must not be read"):
        _ = faces.dataset("test").images


BOTH = {
    "stage0": {"epochs": 3, "batch_size": 8, "rungs": [1, 2]},
    "stage1": {"enabled": True, "batch_size": 8},
}


def test_rungs_are_told_in_order_and_do_not_change_the_training(evaluate) -> None:
    told = []
    plain = evaluate(stage0={"epochs": 3, "batch_size": 8}, stage1=BOTH["stage1"])
    scored = evaluate(decide=lambda rung: told.append(rung) or True, **BOTH)
    assert [rung.name for rung in told] == ["stage0 epoch 1", "stage0 epoch 2", "stage0"]
    assert all(rung.costs == plain.costs for rung in told)
    assert told[0].scores != told[1].scores
    assert scored.scores == plain.scores
    assert (scored.rung, scored.stopped) == ("stage1", False)


@pytest.mark.parametrize(
    ("at", "epochs"), [("stage0 epoch 1", 1), ("stage0 epoch 2", 2), ("stage0", 3)]
)
def test_a_stopped_candidate_has_the_scores_of_its_rung(evaluate, at, epochs) -> None:
    told = {}

    def decide(rung) -> bool:
        told[rung.name] = rung.scores
        return rung.name != at

    evaluation = evaluate(decide=decide, **BOTH)
    assert (evaluation.rung, evaluation.stopped) == (at, True)
    assert evaluation.scores == told[at]
    assert list(evaluation.curves) == ["stage0"]
    assert len(evaluation.curves["stage0"]) == epochs
