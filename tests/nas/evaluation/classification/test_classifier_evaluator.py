"""Candidates of a tiny cell space on forty digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import latency
import nas.tasks
import search_spaces
from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError, Rung
from nas.evaluation.evaluator import ClassifierEvaluator
from nas.kinds.classification.preparation import (
    PreparedClassifiers,
    check_teaching,
    prepare_classifiers,
)
from nas.kinds.classification.settings import (
    CandidateTrainingSettings,
    ClassifierEvaluationSettings,
)
from nas.kinds.network_file import describes_classifier
from nas.tasks import ClassificationTask
from search_spaces.space import ClassifierSpace

CPU = torch.device("cpu")
SPACE = search_spaces.create("nasbench201", channels=4, cells=1)
assert isinstance(SPACE, ClassifierSpace)
CONVOLUTIONS = SPACE.parse(
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
)
POOLS = SPACE.parse(
    "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
)
SETTINGS = ClassifierEvaluationSettings.model_validate(
    {
        "training": {"epochs": 3, "batch_size": 16},
        "teacher": {
            "model": {"name": "convnet_small"},
            "training": {"epochs": 6, "batch_size": 16, "augmentation": "none"},
        },
    }
)


@pytest.fixture(scope="module")
def task() -> ClassificationTask:
    digits = nas.tasks.load("digits", train=240, validation=80, test=10, size=16)
    assert isinstance(digits, ClassificationTask)
    return digits


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="module")
def prepared(task: ClassificationTask, cache: Path) -> PreparedClassifiers:
    return prepare_classifiers(task, SETTINGS, cache, CPU, 0)


def _evaluator(
    prepared: PreparedClassifiers, settings: CandidateTrainingSettings = SETTINGS.training
) -> ClassifierEvaluator:
    return ClassifierEvaluator(SPACE, prepared, settings, CPU)


@pytest.fixture(scope="module")
def alone(task: ClassificationTask) -> PreparedClassifiers:
    return PreparedClassifiers(task, None, None, None)


def test_the_same_genotype_and_seed_give_the_same_scores_whatever_came_before(alone) -> None:
    evaluator = _evaluator(alone)
    first = evaluator.evaluate(CONVOLUTIONS, 1)
    evaluator.evaluate(POOLS, 1)
    torch.rand(3)
    assert evaluator.evaluate(CONVOLUTIONS, 1).scores == first.scores
    assert evaluator.evaluate(CONVOLUTIONS, 2).scores != first.scores


def test_a_record_has_scores_of_every_class_and_the_costs_of_the_network(alone, task) -> None:
    evaluation = _evaluator(alone).evaluate(CONVOLUTIONS, 0)
    assert set(evaluation.scores["f1"]) == set(task.classes)
    assert evaluation.macro["f1"] == pytest.approx(sum(evaluation.scores["f1"].values()) / 10)
    counts = latency.count(SPACE.build(CONVOLUTIONS, num_classes=10), (1, 3, 16, 16))
    assert evaluation.costs == {
        "params": counts.parameters,
        "macs": counts.macs,
        "flops": counts.flops,
    }
    assert len(evaluation.curves["training"]) == 3
    assert (evaluation.rung, evaluation.stopped) == ("epoch 3", False)


def test_a_candidate_learns(alone) -> None:
    longer = SETTINGS.training.model_copy(update={"epochs": 8})
    evaluation = _evaluator(alone, longer).evaluate(CONVOLUTIONS, 0)
    assert evaluation.macro["top1"] > 0.3
    assert evaluation.curves["training"][-1] < evaluation.curves["training"][0]


def test_a_network_that_does_not_see_its_image_fails(alone) -> None:
    empty = SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    with pytest.raises(EvaluationError, match="no path leads from the image to the logits"):
        _evaluator(alone).evaluate(empty, 0)


def test_rungs_are_told_and_do_not_change_the_training(alone) -> None:
    told: list[Rung] = []

    def decide(rung: Rung) -> bool:
        told.append(rung)
        return True

    averaged = SETTINGS.training.model_copy(update={"polyak": 0.8})
    with_rungs = averaged.model_copy(update={"rungs": (1, 2)})
    plain = _evaluator(alone, averaged).evaluate(CONVOLUTIONS, 0)
    scored = _evaluator(alone, with_rungs).evaluate(CONVOLUTIONS, 0, decide)
    assert [rung.name for rung in told] == ["epoch 1", "epoch 2"]
    assert told[0].costs == plain.costs
    assert scored.scores == plain.scores


def test_a_candidate_that_is_stopped_has_the_scores_of_its_rung(alone) -> None:
    told: list[Rung] = []
    settings = SETTINGS.training.model_copy(update={"rungs": (1,)})
    evaluation = _evaluator(alone, settings).evaluate(
        CONVOLUTIONS, 0, lambda rung: bool(told.append(rung))
    )
    assert (evaluation.rung, evaluation.stopped) == ("epoch 1", True)
    assert evaluation.scores == told[0].scores
    assert len(evaluation.curves["training"]) == 1


def test_a_candidate_learns_the_same_from_known_logits_as_from_the_teacher(prepared) -> None:
    assert prepared.known is not None
    known = _evaluator(prepared).evaluate(CONVOLUTIONS, 0)
    asked = _evaluator(replace(prepared, known=None)).evaluate(CONVOLUTIONS, 0)
    assert known.curves["training"] == pytest.approx(asked.curves["training"], rel=1e-3)


def test_the_teacher_changes_what_is_learned(prepared, alone) -> None:
    taught = _evaluator(prepared).evaluate(CONVOLUTIONS, 0)
    untaught = _evaluator(alone).evaluate(CONVOLUTIONS, 0)
    assert taught.curves["training"] != pytest.approx(untaught.curves["training"], rel=1e-2)


def test_augmented_images_need_the_teacher_itself(task, cache) -> None:
    training = {"epochs": 1, "augmentation": "light"}
    settings = ClassifierEvaluationSettings.model_validate(
        SETTINGS.model_dump() | {"training": training}
    )
    prepared = prepare_classifiers(task, settings, cache, CPU, 0)
    assert prepared.known is None
    evaluation = _evaluator(prepared, settings.training).evaluate(CONVOLUTIONS, 0)
    assert len(evaluation.curves["training"]) == 1


def test_the_teacher_is_trained_once(prepared, task, cache, monkeypatch) -> None:
    def train(*arguments: object, **named: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("nas.kinds.classification.preparation.fit_classifier", train)
    again = prepare_classifiers(task, SETTINGS, cache, CPU, 0)
    assert torch.equal(again.known.logits, prepared.known.logits)
    assert again.teacher.card.accuracy == prepared.teacher.card.accuracy
    assert describes_classifier(again.teacher.path)


def test_a_loss_that_the_networks_do_not_suit_is_refused(task) -> None:
    values = SETTINGS.model_dump() | {"distillation": {"method": "attention"}}
    values["teacher"]["model"] = {"name": "no_such_network"}
    settings = ClassifierEvaluationSettings.model_validate(values)
    candidate = SPACE.build(CONVOLUTIONS, num_classes=10)
    with pytest.raises(UserError, match="no_such_network"):
        check_teaching(task, settings, candidate, CPU)


@pytest.mark.parametrize("rungs", [(0,), (3,), (2, 1), (1, 1)])
def test_rungs_are_rising_epochs_before_the_last(rungs) -> None:
    with pytest.raises(ValueError, match="rising epochs from 1 to 2"):
        CandidateTrainingSettings(epochs=3, rungs=rungs)
