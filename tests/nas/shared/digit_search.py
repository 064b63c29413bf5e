"""Candidates of a tiny cell space on the digits, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import nas.tasks
import search_spaces
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluator import Evaluator
from nas.kinds import kind_named
from nas.kinds.classification.preparation import PreparedClassification, prepare
from nas.kinds.classification.settings import ClassifierEvaluationSettings
from nas.tasks import ClassificationTask

CPU = torch.device("cpu")
CELLS = search_spaces.create("nasbench201", channels=4, cells=1)
CONVOLUTIONS = CELLS.parse(
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
)
POOLS = CELLS.parse(
    "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
)
DIGIT_SETTINGS = ClassifierEvaluationSettings.model_validate(
    {
        "training": {"epochs": 3, "batch_size": 16},
        "teacher": {
            "model": {"name": "convnet_small"},
            "training": {"epochs": 6, "batch_size": 16, "augmentation": "none"},
        },
    }
)


@pytest.fixture(scope="session")
def digits() -> ClassificationTask:
    task = nas.tasks.load("digits", train=240, validation=80, test=10, size=16)
    assert isinstance(task, ClassificationTask)
    return task


@pytest.fixture(scope="session")
def digit_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="session")
def taught_digits(digits: ClassificationTask, digit_cache: Path) -> PreparedClassification:
    """With a teacher and its known logits."""
    return prepare(digits, DIGIT_SETTINGS, digit_cache, CPU, 0)


@pytest.fixture(scope="session")
def plain_digits(digits: ClassificationTask) -> PreparedClassification:
    """Without a teacher."""
    return PreparedClassification(digits, CPU, None, None)


@pytest.fixture(scope="session")
def digit_evaluator(plain_digits: PreparedClassification) -> Callable[..., Evaluator]:
    """Makes evaluators with changed settings of the training."""
    candidates = kind_named("classification").candidates(
        CELLS, DIGIT_SETTINGS, 10, plain_digits.task.input_shape
    )
    costs = CostMeter(candidates)

    def make(prepared: PreparedClassification = plain_digits, **changes: Any) -> Evaluator:
        training = DIGIT_SETTINGS.training.model_copy(update=changes)
        settings = DIGIT_SETTINGS.model_copy(update={"training": training})
        return Evaluator(prepared, settings, costs)

    return make
