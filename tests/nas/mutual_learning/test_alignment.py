from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.mutual_learning.alignment import align
from nas.mutual_learning.folding import fold
from nas.mutual_learning.kinds import create_students
from nas.mutual_learning.run import run_mutual
from nas.mutual_learning.settings import MatchingSettings
from nas.mutual_learning.students import Forward, Students
from nas.tasks import ClassificationTask


@pytest.fixture
def twins(make_config: Any, digits: ClassificationTask) -> Students:
    """Two networks of equal weights, the channels of the second in another order."""
    config = make_config()
    config = config.model_copy(update={"students": (config.students[1],) * 2})
    students = create_students(config, digits, 0).eval()
    second = students.student(1).network
    second.load_state_dict(students.student(0).network.state_dict())
    fold(second, "early", torch.tensor([2, 0, 3, 1]))
    return students


@pytest.mark.parametrize("assignment", ["gale_shapley", "hungarian"])
def test_crossed_paths_of_twins_agree_after_alignment(
    twins: Students, images: Tensor, assignment: Any
) -> None:
    with torch.no_grad():
        before = {path: Forward(twins, images)(path) for path in ((0, 0), (1, 1), (0, 1))}
        assert not torch.allclose(before[0, 1], before[0, 0], atol=1e-3)
        align(twins, images, MatchingSettings(assignment=assignment))
        forward = Forward(twins, images)
        for path in ((0, 0), (1, 1), (0, 1), (1, 0)):
            torch.testing.assert_close(forward(path), before[0, 0], rtol=1e-4, atol=1e-5)


def test_alignment_tells_its_rounds(twins: Students, images: Tensor) -> None:
    (rounds,) = align(twins, images, MatchingSettings())["shallow-2"]
    assert sum(rounds) == 4


def test_networks_are_matched_before_a_run(make_config: Any, tmp_path: Path) -> None:
    config = make_config(matching={"similarity": "cosine"}, training={"epochs": 1})
    run_mutual(config, tmp_path / "run")
    record = json.loads((tmp_path / "run/seed-0/metrics.json").read_text())
    assert sum(record["matching"]["shallow"][0]) == 4
