"""A few drawn faces, a small space and what its candidates share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import nas.tasks
import search_spaces
from nas.evaluation.evaluation import Decide, Evaluation, go_on
from nas.evaluation.preparation import Prepared, prepare
from nas.evaluation.segmentation import SegmentationEvaluator
from nas.evaluation.settings import EvaluationSettings
from nas.evaluation.teacher_run import train_teacher_run
from nas.tasks.segmentation.source import SegmentationSource
from nas.tasks.segmentation.task import SegmentationTask
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


class Unreadable(SegmentationSource):
    """A split whose images must not be read."""

    names = ("secret",)

    @property
    def digest(self) -> str:
        return "unreadable"

    def read(self) -> Any:
        raise AssertionError("this split must not be read")

    def inspect(self) -> Any:
        raise AssertionError("this split must not be inspected")


@pytest.fixture(scope="session")
def whole_faces(tmp_path_factory: pytest.TempPathFactory) -> SegmentationTask:
    """24, 8 and 8 faces of 32x32 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(tmp_path_factory.mktemp("faces")))
        task = nas.tasks.load("faces", size=32, train=24, validation=8, test=8)
        for split in task.splits:
            assert len(task.dataset(split).images) > 0
    return task


@pytest.fixture(scope="session")
def faces(whole_faces: SegmentationTask) -> SegmentationTask:
    """The same; reading the test split is an error."""
    return replace(whole_faces, sources={**whole_faces.sources, "test": Unreadable()})


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(values)
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., EvaluationSettings]:
    """Makes settings of a short evaluation without distillation; sections are merged."""

    def make(**changes: Any) -> EvaluationSettings:
        return EvaluationSettings(**merged(SETTINGS, changes))

    return make


@pytest.fixture(scope="session")
def teacher_settings() -> dict[str, Any]:
    return TEACHER


@pytest.fixture(scope="session")
def teacher_run(whole_faces: SegmentationTask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained teacher."""
    folder = tmp_path_factory.mktemp("teachers") / "teacher"
    train_teacher_run(whole_faces, folder, TEACHER, 0, "cpu", lambda *_: None)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def prepared(faces: SegmentationTask, make_settings: Any, cache: Path) -> Prepared:
    """Encoder and cached maps, without a teacher."""
    return prepare(faces, make_settings(), cache, CPU, 0)


@pytest.fixture(scope="session")
def taught(faces: SegmentationTask, make_settings: Any, teacher_run: Path, cache: Path) -> Prepared:
    """Encoder, teacher, cached maps and cached logits."""
    settings = make_settings(distillation={"enabled": True}, teacher={"run": str(teacher_run)})
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
    space: SearchSpace, prepared: Prepared, make_settings: Any
) -> Callable[..., SegmentationEvaluator]:
    """Makes evaluators with changed settings."""
    # Counting a candidate takes as long as training it here, and each is counted once.
    costs = SegmentationEvaluator(space, prepared, make_settings()).costs

    def make(parts: Prepared = prepared, **changes: Any) -> SegmentationEvaluator:
        return SegmentationEvaluator(space, parts, make_settings(**changes), costs)

    return make


@pytest.fixture(scope="session")
def evaluate(make_evaluator: Any, genotypes: Genotypes) -> Callable[..., Evaluation]:
    """Evaluates the first candidate with changed settings."""

    def run(*parts: Prepared, seed: int = 0, decide: Decide = go_on, **changes: Any) -> Evaluation:
        evaluator = make_evaluator(*parts, **changes)
        evaluation: Evaluation = evaluator.evaluate(genotypes.first, seed, decide)
        return evaluation

    return run
