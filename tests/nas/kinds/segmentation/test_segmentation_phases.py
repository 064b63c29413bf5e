from __future__ import annotations

import math

import pytest
from face_search import CPU, meter_of

from nas.kinds import kind_named
from nas.kinds.segmentation import phases
from nas.kinds.segmentation.phases import decoder_phase
from nas.kinds.segmentation.scoring import score_network
from nas.models.encoder import fingerprint
from nas.models.segmentation import SegmentationNetwork
from nas.training.seeding import seeded

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


def test_both_stages_are_timed_and_have_a_curve(evaluate, faces):
    evaluation = evaluate(**STAGE1)
    assert set(evaluation.scores) == set(evaluation.macro) == {"f1", "iou", "accuracy"}
    assert set(evaluation.groups) == {"eyes", "brows", "overall"}
    assert {key: len(curve) for key, curve in evaluation.curves.items()} == {
        "stage0": 2,
        "stage1": 1,
    }
    assert set(evaluation.seconds) == {"costs", "build", "stage0", "stage1", "score", "total"}


def test_training_lowers_the_loss(evaluate):
    curve = evaluate(stage0={"epochs": 8}).curves["stage0"]
    assert curve[-1] < 0.8 * curve[0]


def test_scores_on_cached_maps_are_those_of_the_whole_network(
    prepared, space, make_settings, genotypes, faces
):
    candidates = meter_of(space, prepared, make_settings()).candidates
    with seeded("decoder"):
        decoder = candidates.build(genotypes.first)
    phase = decoder_phase(decoder, prepared, make_settings(), 0)
    phase.loop.epoch(0)
    # Statistics that differ from those of a new network, so that the mode matters.
    found = phase.score()
    network = SegmentationNetwork(prepared.encoder, decoder).eval()
    card = score_network(network, faces, "validation", CPU)
    assert found.macro == pytest.approx(card.macro, abs=1e-3)
    assert len(set(found.scores["f1"].values())) > 2


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


def test_auxiliary_heads_that_weigh_nothing_are_not_trained(
    prepared, space, make_settings, genotypes
):
    kind, heads = kind_named("segmentation"), []
    candidates = meter_of(space, prepared, make_settings()).candidates
    for weight in (0.15, 0.0):
        decoder = kind.build(candidates, genotypes.first, make_settings(auxiliary_weight=weight))
        heads.append(len(decoder.auxiliary_heads))
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
    handle = taught.teacher.network.register_forward_hook(
        lambda network, inputs, logits: seen.append((inputs[0], logits, network.training))
    )
    before = fingerprint(taught.teacher.network.state_dict())
    evaluate(taught, distillation={"enabled": True})
    assert seen == []
    evaluate(taught, distillation={"enabled": True}, **ONLY_STAGE1)
    handle.remove()
    # A single image is a dry run, which learns the shapes.
    seen = [call for call in seen if len(call[0]) > 1]
    assert [len(images) for images, _, _ in seen] == [8, 8, 8]
    assert not any(logits.requires_grad or training for _, logits, training in seen)
    assert fingerprint(taught.teacher.network.state_dict()) == before


def test_stage_1_goes_on_from_the_decoder_of_stage_0(
    make_evaluator, prepared, genotypes, monkeypatch
):
    states, trained = [], []
    make_phase = phases.network_phase

    def network_phase(decoder, *arguments):
        states.append(fingerprint(decoder.state_dict()))
        phase = make_phase(decoder, *arguments)
        trained.append(phase.loop.network)
        return phase

    monkeypatch.setattr(phases, "network_phase", network_phase)
    evaluator = make_evaluator(**STAGE1)
    encoder = fingerprint(prepared.encoder.state_dict())
    evaluator.evaluate(genotypes.first, 0)
    (network,) = trained
    states.append(fingerprint(network.decoder.state_dict()))
    with seeded(0, "weights"):
        new = fingerprint(evaluator.costs.candidates.build(genotypes.first).state_dict())
    assert len({new, *states}) == 3
    # The encoder that all candidates share stays as it is.
    assert fingerprint(prepared.encoder.state_dict()) == encoder
    assert fingerprint(network.encoder.state_dict()) != encoder


def test_the_end_of_stage_0_is_a_rung_before_stage_1(evaluate):
    told = []
    settings = {"stage0": {"epochs": 3, "rungs": [1, 2]}, **STAGE1}
    going = evaluate(decide=lambda rung: told.append(rung) or True, **settings)
    assert [rung.name for rung in told] == ["stage0 epoch 1", "stage0 epoch 2", "stage0"]
    assert (going.rung, going.stopped) == ("stage1", False)
    stopped = evaluate(decide=lambda rung: rung.name != "stage0", **settings)
    assert (stopped.rung, stopped.stopped) == ("stage0", True)
    assert stopped.scores == told[-1].scores
    assert list(stopped.curves) == ["stage0"]
    assert len(stopped.curves["stage0"]) == 3
