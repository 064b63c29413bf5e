from __future__ import annotations

import pytest
import torch
from digit_search import CELLS, CONVOLUTIONS, CPU, DIGIT_SETTINGS

from nas.errors import UserError
from nas.kinds import kind_named
from nas.kinds.classification.settings import ClassifierEvaluationSettings

KIND = kind_named("classification")


def changed(**values):
    return ClassifierEvaluationSettings.model_validate(DIGIT_SETTINGS.model_dump() | values)


def test_a_teacher_that_cannot_be_made_is_refused(digits):
    settings = changed(teacher={"model": {"name": "no_such_network"}})
    with pytest.raises(UserError, match="no_such_network"):
        KIND.check_evaluation(digits, settings, CELLS, CPU)


def test_a_loss_that_the_networks_do_not_suit_is_refused(digits, monkeypatch):
    def differ(*arguments):
        raise ValueError("the maps differ in size")

    monkeypatch.setattr("nas.kinds.classification.kind.make_distiller", differ)
    with pytest.raises(UserError, match=r"^evaluation\.distillation: the maps differ in size\.$"):
        KIND.check_evaluation(digits, DIGIT_SETTINGS, CELLS, CPU)


def test_what_suits_the_networks_is_taken_and_nothing_is_trained(digits, monkeypatch):
    monkeypatch.setattr("nas.kinds.teacher.fit", None)
    KIND.check_evaluation(digits, DIGIT_SETTINGS, CELLS, CPU)
    KIND.check_evaluation(digits, changed(distillation={"enabled": False}), CELLS, CPU)


def test_an_augmentation_that_does_not_fit_the_images_is_refused(digits):
    settings = changed(training={"augmentation": {"crop": "pad", "padding": 99}})
    with pytest.raises(UserError, match="padding"):
        KIND.check_evaluation(digits, settings, CELLS, CPU)


def test_successive_halving_needs_a_rung():
    with pytest.raises(UserError, match=r"--set evaluation\.training\.rungs=\[1\]"):
        KIND.check_rungs(DIGIT_SETTINGS)
    KIND.check_rungs(changed(training={"rungs": [1]}))


def test_only_a_model_of_the_hub_loses_its_weights():
    model = DIGIT_SETTINGS.teacher.model
    hub = model.model_copy(update={"weights": "imagenet"})
    file = model.model_copy(update={"weights": "mine.safetensors"})
    assert KIND.without_hub(hub).weights == "none"
    assert KIND.without_hub(file) == file


def test_a_retraining_starts_from_random_weights(digits, plain_digits):
    found = KIND.found(CELLS, CONVOLUTIONS, DIGIT_SETTINGS)
    first, second = (KIND.untrained(found, digits, plain_digits) for _ in range(2))
    assert first(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)
    assert KIND.deployed(first) is first
