from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.kinds.segmentation.objective import balanced_weights
from nas.training.checkpoint import snapshot
from nas.training.fit import FitSettings, class_weights, fit, score_network
from nas.training.loop import DivergedError
from nas.training.seeding import seeded
from nas.training.teaching import Teaching

CPU = torch.device("cpu")
SETTINGS = FitSettings(
    epochs=3, batch_size=8, augmentation="light", polyak=0.5, class_weights="equal", warmup=0.2
)


class Interrupted(BaseException):
    """What a signal is to a test."""


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
    return fit(network, task, settings, device=CPU, seed=seed, quality=quality, **options)


def interrupt_after(epoch):
    def on_epoch(record):
        if record.epoch == epoch:
            raise Interrupted

    return on_epoch


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def differs(found, expected):
    return any(not torch.equal(found[key], value) for key, value in expected.items())


def test_training_improves(make_network, faces):
    result = train(make_network(), faces, SETTINGS.model_copy(update={"epochs": 6}))
    losses = [record.loss for record in result.history]
    assert [record.epoch for record in result.history] == list(range(6))
    assert losses[-1] < 0.8 * losses[0]
    assert result.best.score == max(record.score for record in result.history)


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_training_goes_on_bit_for_bit(make_network, faces, tmp_path, epoch):
    # Dropout draws from torch's global generator in the forward pass.
    whole = make_network(seed=0, dropout=0.5)
    expected = train(whole, faces, resume=tmp_path / "whole.pt")

    path = tmp_path / "resumed.pt"
    with pytest.raises(Interrupted):
        train(
            make_network(seed=0, dropout=0.5),
            faces,
            resume=path,
            on_epoch=interrupt_after(epoch),
        )
    torch.rand(7)
    # The random weights of the second start must not matter.
    resumed = make_network(seed=1, dropout=0.5)
    assert train(resumed, faces, resume=path) == expected
    assert_equal(resumed.state_dict(), whole.state_dict())
    last = [torch.load(p, weights_only=True) for p in (path, tmp_path / "whole.pt")]
    assert_equal(last[0]["network"], last[1]["network"])
    averages = [state["update"]["averages"] for state in last]
    assert len(averages[0]) == 4
    assert all(torch.equal(a, b) for a, b in zip(*averages, strict=True))


def test_only_the_epochs_that_are_left_run_again(make_network, faces, tmp_path):
    path, epochs = tmp_path / "state.pt", []
    with pytest.raises(Interrupted):
        train(make_network(), faces, resume=path, on_epoch=interrupt_after(1))
    train(make_network(), faces, resume=path, on_epoch=lambda r: epochs.append(r.epoch))
    assert epochs == [2]
    train(make_network(), faces, resume=path, on_epoch=lambda r: epochs.append(r.epoch))
    assert epochs == [2]


def test_a_checkpoint_of_other_settings_is_refused(make_network, faces, tmp_path):
    path = tmp_path / "state.pt"
    train(make_network(), faces, SETTINGS.model_copy(update={"epochs": 1}), resume=path)
    for change in ({"epochs": 2}, {"epochs": 1, "learning_rate": 0.1}):
        with pytest.raises(UserError, match=r"state\.pt.*other settings"):
            train(make_network(), faces, SETTINGS.model_copy(update=change), resume=path)
    with pytest.raises(UserError, match="other settings"):
        train(make_network(), faces, SETTINGS.model_copy(update={"epochs": 1}), seed=1, resume=path)


def test_a_checkpoint_of_another_network_is_refused(make_network, faces, tmp_path):
    path = tmp_path / "state.pt"
    train(make_network(), faces, SETTINGS.model_copy(update={"epochs": 1}), resume=path)
    with pytest.raises(UserError, match=r"state\.pt"):
        train(make_network(width=12), faces, SETTINGS.model_copy(update={"epochs": 1}), resume=path)


def test_a_checkpoint_of_a_training_with_a_teacher_is_refused_without_one(
    make_network, faces, tmp_path
):
    path, network = tmp_path / "state.pt", make_network()
    teaching = taught(network, make_network(seed=9))
    with pytest.raises(Interrupted):
        train(network, faces, teaching=teaching, resume=path, on_epoch=interrupt_after(0))
    with pytest.raises(UserError, match=r"state\.pt"):
        train(make_network(), faces, resume=path)


@pytest.mark.parametrize(
    ("method", "place", "options"),
    [("mgd", "logits", {"alpha": 1e-3}), ("hint", "stride=8", {})],
)
def test_what_learns_within_a_loss_is_trained_and_resumed_with_the_network(
    make_network, faces, tmp_path, method, place, options
):
    def begin():
        network = make_network()
        teaching = taught(network, make_network(seed=9), 1.0, method, place, **options)
        return network, teaching

    path = tmp_path / "state.pt"
    whole, teaching = begin()
    before = snapshot(teaching.distiller)
    train(whole, faces, teaching=teaching)
    after = teaching.distiller.state_dict()
    assert before
    assert all(not torch.equal(after[key], value) for key, value in before.items())
    parts, teaching = begin()
    with pytest.raises(Interrupted):
        train(parts, faces, teaching=teaching, resume=path, on_epoch=interrupt_after(0))
    parts, teaching = begin()
    train(parts, faces, teaching=teaching, resume=path)
    assert_equal(parts.state_dict(), whole.state_dict())
    assert_equal(teaching.distiller.state_dict(), after)


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


def test_a_network_that_is_all_frozen_is_refused(make_network, faces):
    network = make_network()
    with pytest.raises(UserError, match="nothing is left to learn"):
        train(network, faces, teaching=Teaching(frozen=(network.encoder, network.decoder)))


def test_without_the_masks_only_the_teacher_is_followed(make_network, faces):
    network, teacher = make_network(), make_network(seed=9)
    distiller = taught(network, teacher, method="hint", place="stride=8").distiller
    settings = SETTINGS.model_copy(update={"polyak": None, "learning_rate": 0.02})
    result = train(network, faces, settings, teaching=Teaching(distiller, "one", task_weight=0.0))
    # The training loss decides which epoch is best, as nothing taught the decoder.
    losses = [record.loss for record in result.history]
    assert [record.score for record in result.history] == losses
    assert result.best.loss == min(losses) < losses[0]


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


def test_the_seed_alone_decides_the_weights(make_network, faces):
    settings = SETTINGS.model_copy(update={"epochs": 1})
    states = []
    for seed in (4, 4, 5):
        torch.rand(3)
        network = make_network()
        train(network, faces, settings, seed=seed)
        states.append(snapshot(network))
    assert_equal(states[1], states[0])
    assert differs(states[2], states[0])


def test_the_global_random_state_is_left_alone(make_network, faces):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    train(make_network(), faces, SETTINGS.model_copy(update={"epochs": 1}))
    assert torch.equal(torch.get_rng_state(), before)


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


def test_the_teacher_stays_as_it_is(make_network, faces):
    teacher, student = make_network(seed=9).train(), make_network()
    before = snapshot(teacher)
    settings = SETTINGS.model_copy(update={"epochs": 1})
    train(student, faces, settings, teaching=taught(student, teacher))
    assert_equal(teacher.state_dict(), before)
    assert all(parameter.grad is None for parameter in teacher.parameters())


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


def test_class_weights_come_from_the_train_split(faces):
    assert class_weights("equal", faces, CPU) is None
    weights = class_weights("balanced", faces, CPU)
    assert torch.equal(weights, balanced_weights(faces.dataset("train").targets, 11, 255))
    assert len(weights) == 11


def test_scores_do_not_depend_on_the_batch_size(make_network, faces):
    network = make_network().eval()
    cards = [score_network(network, faces, "validation", CPU, size) for size in (3, 8)]
    assert (cards[0].confusion == cards[1].confusion).all()
    assert cards[0].confusion.sum() == 8 * 32 * 32


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
        FitSettings(**values)
