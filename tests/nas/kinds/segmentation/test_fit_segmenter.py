from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.kinds import kind_named
from nas.kinds.segmentation.scoring import score_network
from nas.kinds.segmentation.settings import SegmentationFitSettings
from nas.training.checkpoint import snapshot
from nas.training.fit import fit
from nas.training.loop import DivergedError
from nas.training.seeding import seeded
from nas.training.teaching import Teaching

CPU = torch.device("cpu")
SETTINGS = SegmentationFitSettings(
    epochs=3, batch_size=8, augmentation="light", polyak=0.5, class_weights="equal", warmup=0.2
)


def macro(card):
    return card.macro["f1"]


class Answer(nn.Module):
    """A teacher that gives what a function makes of the images."""

    def __init__(self, function):
        super().__init__()
        self._function = function

    def forward(self, images):
        return self._function(images)


def taught(student, teacher, weight=1.0, method="logit_mse", place=None, **options):
    """Teaching by one loss; what is random in it is the same every time."""
    with seeded(3):
        term = TermSettings(method=method, weight=weight, options=options, student=place)
        distiller = Distiller([term], student, teacher, (1, 3, 32, 32), 11, kind="segmentation")
    return Teaching(distiller, identity=repr(term))


class Scores:
    """A quality that follows a list, and remembers what it was shown."""

    def __init__(self, *values):
        self._values = values
        self.cards = []

    def __call__(self, card):
        self.cards.append(card)
        return self._values[len(self.cards) - 1]


def train(network, task, settings=SETTINGS, seed=0, quality=macro, **options):
    kind = kind_named("segmentation")
    return fit(kind, network, task, settings, device=CPU, seed=seed, quality=quality, **options)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def differs(found, expected):
    return any(not torch.equal(found[key], value) for key, value in expected.items())


def test_frozen_parts_stay_bit_for_bit_and_others_have_their_own_rate(make_network, faces):
    network = make_network()
    before = snapshot(network)
    settings = SETTINGS.model_copy(update={"epochs": 1, "optimiser": "adam", "clip": None})
    teaching = Teaching(frozen=(network.encoder,), rates={network.decoder: 1e-3})
    train(network, faces, settings, teaching=teaching)
    for key, value in network.state_dict().items():
        change = (value.double() - before[key].double()).abs().max().item()
        if key.startswith("encoder."):
            assert change == 0, key
        elif value.is_floating_point() and "running" not in key:
            assert 0 < change < 1e-4, key
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_weights_of_the_best_epoch_are_returned(make_network, faces):
    network, quality = make_network(), Scores(0.1, 0.9, 0.5)
    result = train(network, faces, quality=quality)
    assert [record.best for record in result.history] == [True, True, False]
    assert (result.best.epoch, result.best.score) == (1, 0.9)
    assert not network.training
    confusion = score_network(network, faces, "validation", CPU).confusion
    assert (confusion == quality.cards[1].confusion).all()
    assert (confusion != quality.cards[2].confusion).any()


def test_the_first_of_equal_epochs_is_kept(make_network, faces):
    result = train(make_network(), faces, quality=Scores(0.5, 0.5, 0.5))
    assert result.best.epoch == 0


def test_training_stops_when_patience_ends(make_network, faces):
    settings = SETTINGS.model_copy(update={"epochs": 6, "patience": 2})
    result = train(make_network(), faces, settings, quality=Scores(0.3, 0.5, 0.4, 0.45, 0.9, 0.9))
    assert [record.score for record in result.history] == [0.3, 0.5, 0.4, 0.45]
    assert result.best.epoch == 1


def test_frozen_statistics_of_the_encoder_stay_bit_for_bit(make_network, faces):
    network = make_network()
    before = {k: v.clone() for k, v in network.encoder.named_buffers()}
    decoder = {k: v.clone() for k, v in network.decoder.named_buffers()}
    weights = {k: v.detach().clone() for k, v in network.encoder.named_parameters()}
    train(network, faces, SETTINGS.model_copy(update={"freeze_batch_norm": True}))
    assert_equal(dict(network.encoder.named_buffers()), before)
    assert differs(dict(network.encoder.named_parameters()), weights)
    assert differs(dict(network.decoder.named_buffers()), decoder)


def test_statistics_of_the_encoder_follow_the_images_otherwise(make_network, faces):
    network = make_network()
    before = {k: v.clone() for k, v in network.encoder.named_buffers()}
    train(network, faces, SETTINGS.model_copy(update={"epochs": 1}))
    assert all(
        not torch.equal(value, before[key]) for key, value in network.encoder.named_buffers()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"optimiser": "sgd"},
        {"weight_decay": 0.5},
        {"schedule": "poly"},
        {"warmup": 0.0},
        {"clip": None},
        {"polyak": None},
        {"class_weights": "balanced"},
        {"augmentation": "none"},
        {"precision": "bfloat16"},
        {"encoder_learning_rate": 0.1},
        {"batch_size": 12},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_changes_the_training(make_network, faces, default_weights, change):
    network = make_network()
    train(network, faces, SETTINGS.model_copy(update={"epochs": 2} | change))
    state = snapshot(network)
    assert differs(state, default_weights)
    assert all(value.isfinite().all() for value in state.values())


@pytest.fixture(scope="module")
def trained_once():
    return {}


@pytest.fixture
def default_weights(make_network, faces, trained_once):
    if not trained_once:
        network = make_network()
        train(network, faces, SETTINGS.model_copy(update={"epochs": 2}))
        trained_once.update(snapshot(network))
    return trained_once


def test_a_student_follows_its_teacher(make_network, faces):
    def constant(images):
        logits = torch.zeros(len(images), 11, 32, 32)
        logits[:, 3] = 4.0
        return logits

    settings = SETTINGS.model_copy(update={"polyak": None, "learning_rate": 0.05})
    errors = []
    for weight in (0.0, 30.0):
        student = make_network()
        train(student, faces, settings, teaching=taught(student, Answer(constant), weight))
        images = faces.dataset("validation").images.float()
        with torch.no_grad():
            errors.append((student(images) - constant(images)).square().mean().item())
    assert errors[1] < 0.5 * errors[0]


def test_a_training_that_diverges_says_so(make_network, faces):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e38, "clip": None, "warmup": 0.0})
    with pytest.raises(DivergedError, match="in epoch"):
        train(make_network(), faces, settings)


def test_the_test_split_is_not_read(make_network, faces):
    train(make_network(), faces, SETTINGS.model_copy(update={"epochs": 1}))
    # The trap works.
    with pytest.raises(AssertionError, match="must not be read"):
        score_network(make_network(), faces, "test", CPU)


def test_the_validation_split_teaches_nothing(make_network, faces):
    settings = SETTINGS.model_copy(update={"epochs": 1, "class_weights": "balanced"})
    swapped = replace(
        faces, sources={**faces.sources, "validation": faces.dataset("train")._source}
    )
    states = []
    for task in (faces, swapped):
        network = make_network()
        train(network, task, settings)
        states.append(snapshot(network))
    assert_equal(states[1], states[0])


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0},
        {"polyak": 1.0},
        {"clip": 0},
        {"warmup": 1.0},
        {"patience": 0},
        {"optimiser": "lion"},
        {"schedule": "step"},
        {"epoch": 3},
    ],
    ids=lambda values: next(iter(values)),
)
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        SegmentationFitSettings(**values)
