from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from digit_search import CONVOLUTIONS, CPU, DIGIT_SETTINGS

from nas.evaluation.evaluator import Evaluator
from nas.kinds.classification.preparation import prepare
from nas.kinds.classification.settings import ClassifierEvaluationSettings
from nas.models.weights import has_description


def test_a_candidate_learns(digit_evaluator) -> None:
    evaluation = digit_evaluator(epochs=8).evaluate(CONVOLUTIONS, 0)
    assert evaluation.macro["top1"] > 0.3
    assert evaluation.curves["training"][-1] < evaluation.curves["training"][0]


def test_a_candidate_learns_the_same_from_known_logits_as_from_the_teacher(
    taught_digits, digit_evaluator
) -> None:
    assert taught_digits.known is not None
    known = digit_evaluator(taught_digits).evaluate(CONVOLUTIONS, 0)
    asked = digit_evaluator(replace(taught_digits, known=None)).evaluate(CONVOLUTIONS, 0)
    assert known.curves["training"] == pytest.approx(asked.curves["training"], rel=1e-3)


def test_the_teacher_changes_what_is_learned(taught_digits, digit_evaluator) -> None:
    taught = digit_evaluator(taught_digits).evaluate(CONVOLUTIONS, 0)
    untaught = digit_evaluator().evaluate(CONVOLUTIONS, 0)
    assert taught.curves["training"] != pytest.approx(untaught.curves["training"], rel=1e-2)


def test_augmented_images_need_the_teacher_itself(digits, digit_cache, digit_evaluator) -> None:
    training = {"epochs": 1, "augmentation": "light"}
    settings = ClassifierEvaluationSettings.model_validate(
        DIGIT_SETTINGS.model_dump() | {"training": training}
    )
    prepared = prepare(digits, settings, digit_cache, CPU, 0)
    assert prepared.known is None
    evaluator = Evaluator(prepared, settings, digit_evaluator().costs)
    assert len(evaluator.evaluate(CONVOLUTIONS, 0).curves["training"]) == 1


def test_a_second_preparation_computes_nothing(
    taught_digits, digits, digit_cache, monkeypatch
) -> None:
    for place in ("nas.kinds.teacher.fit", "nas.kinds.classification.preparation._forward"):
        monkeypatch.setattr(place, None)
    again = prepare(digits, DIGIT_SETTINGS, digit_cache, CPU, 0)
    assert torch.equal(again.known.logits, taught_digits.known.logits)
    assert again.teacher.card.figures == taught_digits.teacher.card.figures
    assert has_description(again.teacher.path)


def test_without_distillation_there_is_no_teacher(digits, tmp_path) -> None:
    values = DIGIT_SETTINGS.model_dump() | {"distillation": {"enabled": False}}
    settings = ClassifierEvaluationSettings.model_validate(values)
    prepared = prepare(digits, settings, tmp_path / "cache", CPU, 0)
    assert (prepared.teacher, prepared.known) == (None, None)
    assert not (tmp_path / "cache").exists()
