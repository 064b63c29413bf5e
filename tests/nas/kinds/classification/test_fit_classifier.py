from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.kinds import kind_named
from nas.kinds.classification.kind import ClassificationKind
from nas.kinds.classification.scoring import score_classifier
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.training import fit as fitting
from nas.training.checkpoint import snapshot
from nas.training.freezing import all_but
from nas.training.seeding import seeded
from nas.training.teaching import Teaching

CPU = torch.device("cpu")
SETTINGS = ClassifierFitSettings.model_validate(
    {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 0.01,
        "polyak": 0.5,
        "mixing": "mixup",
        "label_smoothing": 0.1,
        "monitors": ["accuracy", "loss"],
    }
)
LEARNING = ClassifierFitSettings.model_validate(
    {"epochs": 8, "batch_size": 8, "learning_rate": 0.02, "augmentation": "none"}
)
ONE_STEP = ClassifierFitSettings.model_validate(
    {
        "epochs": 1,
        "batch_size": 24,
        "augmentation": "none",
        "optimiser": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "learning_rate": 0.5,
    }
)


class Interrupted(BaseException):
    """What a signal is to a test."""


def fit(net, task, settings=SETTINGS, seed=0, **options):
    kind = kind_named("classification")
    return fitting.fit(kind, net, task, settings, device=CPU, seed=seed, **options)


def changed(settings, **values):
    return ClassifierFitSettings.model_validate(settings.model_dump(mode="json") | values)


def teach(net, teacher, *methods):
    terms = [TermSettings(method=method) for method in methods]
    with seeded("distiller"):
        distiller = Distiller(terms, net, teacher, (1, 3, 12, 12), 3)
    return Teaching(distiller, identity="teacher")


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def altered(before, module):
    after = module.state_dict()
    return {key for key, value in before.items() if not torch.equal(after[key], value)}


def test_a_task_is_learned(make_net, corners):
    net = make_net()
    result = fit(net, corners, changed(LEARNING, epochs=12))
    assert result.history[-1].loss < 0.6 * result.history[0].loss
    # Guessing finds a third.
    assert result.best.score >= 10 / 12
    assert (
        score_classifier(net, corners, "validation", CPU).figures["accuracy"] == result.best.score
    )


def test_an_interrupted_training_in_half_precision_goes_on_bit_for_bit(make_net, corners, tmp_path):
    settings = changed(SETTINGS, precision="float16")
    teacher = make_net(seed=9, width=7)
    path, epochs = tmp_path / "resumed.pt", []

    def start(resume, on_epoch):
        net = make_net(dropout=0.5)
        teaching = teach(net, teacher, "hint", "mgd", "soft_target")
        result = fit(net, corners, settings, teaching=teaching, resume=resume, on_epoch=on_epoch)
        return net, teaching, result

    def interrupt(record):
        epochs.append(record.epoch)
        if record.epoch == 1:
            raise Interrupted

    whole, teaching, expected = start(tmp_path / "whole.pt", lambda record: None)
    with pytest.raises(Interrupted):
        start(path, interrupt)
    resumed, again, result = start(path, lambda record: epochs.append(record.epoch))
    assert epochs == [0, 1, 2]
    assert_equal(resumed.state_dict(), whole.state_dict())
    # The regressor and the generator learn beside the network.
    assert len(teaching.distiller.state_dict()) >= 6
    assert_equal(again.distiller.state_dict(), teaching.distiller.state_dict())
    assert result == expected
    for monitor in ("accuracy", "loss"):
        assert_equal(result.weights[monitor], expected.weights[monitor])


def follow(monkeypatch, rows):
    """Scores that follow a table of accuracies and losses."""
    rows = iter(rows)

    def score(kind, *arguments):
        accuracy, loss = next(rows)
        card = score_classifier(*arguments)
        return replace(card, figures=card.figures | {"accuracy": accuracy, "loss": loss})

    monkeypatch.setattr(ClassificationKind, "score", score)


ROWS = [(0.9, 3.0), (0.5, 1.0), (0.7, 2.0)]


def test_each_monitor_keeps_the_weights_of_its_best_epoch(make_net, corners, monkeypatch):
    follow(monkeypatch, ROWS)
    net, seen = make_net(), []
    settings = changed(SETTINGS, polyak=None)
    result = fit(net, corners, settings, on_epoch=lambda record: seen.append(snapshot(net)))
    assert_equal(result.weights["accuracy"], seen[0])
    assert_equal(result.weights["loss"], seen[1])
    # The first monitor decides what the network ends with.
    assert_equal(snapshot(net), seen[0])
    assert (result.best.epoch, result.best.score) == (0, 0.9)


def test_epochs_of_the_burn_in_are_never_the_best(make_net, corners, monkeypatch):
    follow(monkeypatch, ROWS)
    result = fit(make_net(), corners, changed(SETTINGS, burn_in=1))
    assert (result.best.epoch, result.best.score) == (2, 0.7)
    assert [record.best for record in result.history] == [False, True, True]


def test_a_training_that_no_longer_improves_stops(make_net, corners, monkeypatch):
    follow(monkeypatch, [*ROWS, (0.95, 0.1)])
    result = fit(make_net(), corners, changed(SETTINGS, epochs=9, patience=2))
    assert len(result.history) == 3


def test_the_average_is_scored_and_kept(make_net, corners):
    net, last = make_net(), []
    settings = changed(SETTINGS, epochs=1)
    result = fit(net, corners, settings, on_epoch=lambda record: last.append(snapshot(net)))
    figures = score_classifier(net, corners, "validation", CPU).figures
    assert figures["accuracy"] == result.best.score
    assert figures["loss"] == result.best.scores["loss"]
    # Parameters and batch-norm statistics.
    assert {"head.weight", "stem.1.running_mean"} <= altered(last[0], net)


def test_frozen_parts_are_bit_identical_statistics_included(make_net, corners):
    net = make_net()
    before = snapshot(net)
    frozen = (net.stem, net.body[2], net.scale)
    seen = []
    settings = changed(SETTINGS, weight_decay=0.1)
    fit(
        net,
        corners,
        settings,
        teaching=Teaching(frozen=frozen),
        on_epoch=lambda record: seen.append(altered(before, net)),
    )
    learned = {"body.1.weight", "body.1.bias", "head.weight", "head.bias"}
    assert seen == [learned] * 3
    assert altered(before, net) == learned
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_what_is_not_frozen_updates_its_statistics(make_net, corners):
    net = make_net()
    before = snapshot(net)
    fit(net, corners, teaching=Teaching(frozen=all_but(net, {net.body, net.head})))
    moved = altered(before, net)
    assert {"body.2.running_mean", "body.2.num_batches_tracked", "head.weight"} <= moved
    assert not any(key.startswith(("stem", "scale")) for key in moved)


def test_a_rate_scales_the_step_of_its_module_alone(make_net, corners):
    steps = {}
    for rate in (1.0, 0.1):
        net = make_net()
        before = snapshot(net)
        fit(net, corners, ONE_STEP, teaching=Teaching(rates={net.body: rate}))
        steps[rate] = {key: (net.state_dict()[key] - before[key]).float() for key in before}
    for key in ("body.1.weight", "body.2.bias"):
        assert steps[1.0][key].abs().max() > 1e-3
        torch.testing.assert_close(steps[0.1][key], 0.1 * steps[1.0][key], rtol=1e-3, atol=1e-6)
    for key in ("head.weight", "stem.0.weight", "scale"):
        torch.testing.assert_close(steps[0.1][key], steps[1.0][key])


def test_frozen_statistics_leave_dropout_and_weights_to_learn(make_net, corners):
    net, modes = make_net(dropout=0.5), set()
    net.head.register_forward_hook(
        lambda *_: modes.add((net.stem[1].training, net.drop.training, torch.is_grad_enabled()))
    )
    before = snapshot(net)
    fit(net, corners, changed(SETTINGS, freeze_batch_norm=True))
    moved = altered(before, net)
    assert {"stem.1.weight", "stem.1.bias", "head.weight"} <= moved
    assert not any("running" in key or "tracked" in key for key in moved)
    # In training dropout is on; scoring and trying out are in evaluation mode.
    assert (False, True, True) in modes
    assert not any(statistics for statistics, _, _ in modes)


def test_rare_classes_weigh_more_by_the_root_of_their_share(make_net, corners):
    net = make_net()
    data = corners.dataset("train")
    twin = copy.deepcopy(net).train()
    logits = twin((data.images / 255 - 0.3) / 0.2)
    # 12, 8 and 4 images; over the images the weights have the mean 1.
    raw = torch.tensor([(24 / count) ** 0.5 for count in (12, 8, 4)])
    weights = raw / (raw * torch.tensor([12, 8, 4]) / 24).sum()
    expected = functional.cross_entropy(logits, data.targets, weight=weights).item()
    result = fit(net, corners, changed(ONE_STEP, class_weights="balanced"))
    assert result.history[0].loss == pytest.approx(expected, rel=1e-4)
    plain = functional.cross_entropy(logits, data.targets).item()
    assert abs(plain - expected) > 1e-3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_float32_weights(make_net, corners, precision):
    settings = changed(SETTINGS, mixing="none", polyak=None)
    full = fit(make_net(), corners, settings)
    net = make_net()
    half = fit(net, corners, changed(settings, precision=precision))
    losses = [record.loss for record in half.history]
    assert losses != [record.loss for record in full.history]
    assert losses == pytest.approx([record.loss for record in full.history], rel=0.1)
    assert losses[-1] < losses[0]
    assert {value.dtype for value in net.parameters()} == {torch.float32}


def test_r_drop_trains_with_and_without_a_teacher(make_net, corners):
    settings = changed(SETTINGS, epochs=1, r_drop=1.0)
    for methods in ((), ("soft_target",)):
        net = make_net(dropout=0.3)
        teaching = teach(net, make_net(seed=9), *methods) if methods else None
        (record,) = fit(net, corners, settings, teaching=teaching).history
        assert record.scores["train_r_drop"] > 1e-4
        assert ("train_soft_target" in record.scores) == bool(methods)


def test_a_teacher_pulls_the_student_towards_its_logits(make_net, corners):
    teacher = make_net(seed=9)
    fit(teacher, corners, LEARNING)
    distances = {}
    for weight in (0.0, 10.0):
        net = make_net()
        terms = [TermSettings(method="logit_mse", weight=weight)]
        teaching = Teaching(Distiller(terms, net, teacher, (1, 3, 12, 12), 3))
        last = fit(net, corners, LEARNING, teaching=teaching).history[-1]
        distances[weight] = last.scores["train_logit_mse"]
    assert distances[10.0] < 0.6 * distances[0.0]


def test_logits_alone_are_judged_by_the_monitors(make_net, corners):
    net = make_net()
    teaching = Teaching(teach(net, make_net(seed=9), "soft_target").distiller, task_weight=0.0)
    result = fit(net, corners, changed(SETTINGS, label_smoothing=0.0), teaching=teaching)
    assert set(result.weights) == {"accuracy", "loss"}


def test_a_network_without_batch_norm_or_dropout_trains_as_well(corners):
    with seeded("plain"):
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 144, 3))
    assert math.isfinite(fit(net, corners, ONE_STEP).best.loss)


SGD = {"optimiser": "sgd"}
STEP = {"schedule": "step", "milestones": [0.4]}
MIXUP = {"mixing": "mixup"}


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"batch_size": 12}),
        ({}, SGD),
        ({}, {"optimiser": "adam"}),
        ({}, {"learning_rate": 0.011}),
        ({}, {"weight_decay": 0.1}),
        (SGD, {"momentum": 0.5}),
        ({}, {"schedule": "constant"}),
        (STEP, {"milestones": [0.6]}),
        (STEP, {"gamma": 0.5}),
        ({}, {"warmup": 0.5}),
        ({}, {"clip": 0.01}),
        ({}, {"polyak": 0.5}),
        ({}, {"augmentation": "light"}),
        ({}, {"augmentation": "full"}),
        ({}, MIXUP),
        ({}, {"mixing": "cutmix"}),
        (MIXUP, {"mixing_alpha": 0.2}),
        ({}, {"label_smoothing": 0.1}),
        ({}, {"class_weights": "balanced"}),
        ({}, {"r_drop": 1.0}),
        ({}, {"precision": "bfloat16"}),
        ({}, {"freeze_batch_norm": True}),
    ],
    ids=lambda values: "-".join(f"{key}={value}" for key, value in values.items()) or "default",
)
def test_every_setting_changes_what_is_learned(make_net, corners, base, change):
    short = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, "augmentation": "none"}
    ends = []
    for values in (base, base | change, base):
        net = make_net(dropout=0.2)
        settings = ClassifierFitSettings.model_validate(short | values)
        fit(net, corners, settings)
        ends.append(snapshot(net))
    assert any(not torch.equal(ends[1][key], value) for key, value in ends[0].items())
    assert_equal(ends[2], ends[0])
