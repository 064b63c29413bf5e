"""A small space of decoders on the faces, and what its candidates share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import search_spaces
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Decide, Evaluation, go_on
from nas.evaluation.evaluator import Evaluator
from nas.kinds import kind_named
from nas.kinds.segmentation.candidates import SegmentationCandidates
from nas.kinds.segmentation.preparation import PreparedSegmentation, prepare
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings
from nas.kinds.teacher import train_teacher
from nas.models.encoder import EncoderSettings, untrained_encoder
from nas.tasks import SegmentationTask
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace

CPU = torch.device("cpu")
ENCODER = {"name": "lcnet_035", "weights": "none"}
TEACHER = {
    "encoder": ENCODER,
    "strides": [4, 8, 16, 32],
    "training": {"epochs": 2, "batch_size": 4, "augmentation": "none", "learning_rate": 0.01},
}
SETTINGS: dict[str, Any] = {
    "encoder": ENCODER,
    "distillation": {"enabled": False},
    "stage0": {"epochs": 2, "batch_size": 8},
    "stage1": {"batch_size": 8},
}


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(values)
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., SegmentationEvaluationSettings]:
    """Makes settings of a short evaluation without distillation; sections are merged."""

    def make(**changes: Any) -> SegmentationEvaluationSettings:
        return SegmentationEvaluationSettings(**merged(SETTINGS, changes))

    return make


@pytest.fixture(scope="session")
def teacher_settings() -> dict[str, Any]:
    return TEACHER


@pytest.fixture(scope="session")
def teacher_file(
    whole_faces: SegmentationTask, make_settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The file of a trained teacher, not to be written to."""
    settings = make_settings(teacher=TEACHER).teacher
    return train_teacher(settings, whole_faces, tmp_path_factory.mktemp("teachers"), CPU, 0)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def prepared(faces: SegmentationTask, make_settings: Any, cache: Path) -> PreparedSegmentation:
    """Encoder and cached maps, without a teacher."""
    return prepare(faces, make_settings(), cache, CPU, 0)


@pytest.fixture(scope="session")
def taught(
    faces: SegmentationTask, make_settings: Any, teacher_file: Path, cache: Path
) -> PreparedSegmentation:
    """Encoder, teacher, cached maps and cached logits."""
    settings = make_settings(distillation={"enabled": True}, teacher={"run": str(teacher_file)})
    return prepare(faces, settings, cache, CPU, 0)


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return search_spaces.create("fastnas", branches=2, cells=2, width=8)


@dataclass(frozen=True)
class Genotypes:
    """Two candidates of the space."""

    first: Genotype
    second: Genotype


@pytest.fixture(scope="session")
def genotypes(space: SearchSpace) -> Genotypes:
    return Genotypes(
        space.parse("[[8,[0,0,5,2]],[[3,2],[3,0]]]"), space.parse("[[1,[0,1,3,4]],[[0,1],[4,2]]]")
    )


@pytest.fixture(scope="session")
def make_evaluator(
    space: SearchSpace, prepared: PreparedSegmentation, make_settings: Any
) -> Callable[..., Evaluator]:
    """Makes evaluators with changed settings."""
    # Counting a candidate takes as long as training it here, and each is counted once.
    costs = meter_of(space, prepared, make_settings())

    def make(parts: PreparedSegmentation = prepared, **changes: Any) -> Evaluator:
        return Evaluator(parts, make_settings(**changes), costs)

    return make


def meter_of(
    space: SearchSpace, prepared: PreparedSegmentation, settings: SegmentationEvaluationSettings
) -> CostMeter:
    task = prepared.task
    candidates = kind_named("segmentation").candidates(
        space, settings, task.num_classes, task.input_shape, prepared
    )
    return CostMeter(candidates)


@pytest.fixture(scope="session")
def evaluate(make_evaluator: Any, genotypes: Genotypes) -> Callable[..., Evaluation]:
    """Evaluates the first candidate with changed settings."""

    def run(
        *parts: PreparedSegmentation, seed: int = 0, decide: Decide = go_on, **changes: Any
    ) -> Evaluation:
        evaluator = make_evaluator(*parts, **changes)
        evaluation: Evaluation = evaluator.evaluate(genotypes.first, seed, decide)
        return evaluation

    return run


@pytest.fixture(scope="session")
def candidates() -> SegmentationCandidates:
    """Tiny decoders behind a tiny encoder, for three classes."""
    space = search_spaces.create("fastnas", branches=2, cells=1, width=8)
    encoder = untrained_encoder(EncoderSettings(name="mobilenetv3_small_050"))
    return SegmentationCandidates(space, encoder, 3, (1, 3, 32, 32))
