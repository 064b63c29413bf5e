from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.distillation.terms import OUTPUT, TermSettings
from nas.errors import UserError
from nas.mutual_learning.kinds import create_students
from nas.mutual_learning.losses import all_paths, divergence
from nas.mutual_learning.peers import PeerLosses
from nas.mutual_learning.students import Forward, Students
from nas.mutual_learning.training import train_students
from nas.tasks import ClassificationTask

CPU = torch.device("cpu")
TARGETS = torch.tensor([0, 1, 2, 3])


@pytest.fixture
def students(make_config: Any, digits: ClassificationTask) -> Students:
    config = make_config(networks=("shallow", "deep", "shallow"))
    return create_students(config, digits, 0).eval()


def test_tapped_networks_compute_the_same_paths(students: Students, images: Tensor) -> None:
    plain = Forward(students, images)
    tapped = Forward(students, images, {0: ["middle", "early.0"], 1: ["middle"]})
    for path in ((0,), *all_paths(3, 2)):
        torch.testing.assert_close(tapped(path), plain(path))
    assert set(tapped.outputs(0)) == {"middle", "early.0", "early", OUTPUT}
    assert torch.equal(tapped.outputs(0)[OUTPUT], tapped((0, 0)))


def test_outputs_are_those_of_the_whole_network(students: Students, images: Tensor) -> None:
    outputs = Forward(students, images, {1: ["middle"]}).outputs(1)
    network = students.student(1).network
    torch.testing.assert_close(outputs["middle"], network.middle(network.early(images)))


def test_soft_targets_between_peers_are_a_mean_over_them(
    students: Students, digits: ClassificationTask, images: Tensor
) -> None:
    term = TermSettings(method="soft_target", weight=0.5, options={"temperature": 2.0})
    peers = PeerLosses([term], students, digits, (0, 1, 2))
    forward = Forward(students, images)
    own, *others = (forward((n, n)) / 2 for n in range(3))
    expected = 0.5 * 4 * (divergence(others[0], own) + divergence(others[1], own)) / 2
    assert peers(0, forward, TARGETS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_peers_count_as_given(
    students: Students, digits: ClassificationTask, images: Tensor
) -> None:
    term = TermSettings(method="soft_target")
    peers = PeerLosses([term], students, digits, (0, 1, 2))
    peers(0, Forward(students, images), TARGETS).backward()
    assert all(p.grad is None for n in (1, 2) for p in students.student(n).parameters())
    assert any(p.grad is not None for p in students.student(0).parameters())


@pytest.mark.parametrize("order", ["sequential", "simultaneous"])
def test_losses_on_features_train_networks_of_unequal_width(
    order: str, make_config: Any, digits: ClassificationTask, tmp_path: Path
) -> None:
    config = make_config(
        networks=("shallow", "wide"),
        method="dml",
        adapters={},
        order=order,
        peer_losses=[{"method": "feature_mse", "student": "early", "teacher": "early"}],
        training={"epochs": 1},
    )
    found = create_students(config, digits, 0)
    checkpoint = tmp_path / "checkpoint.pt"
    train_students(found, config, digits, CPU, 0, checkpoint)
    state = torch.load(checkpoint, weights_only=True)["companions"]["peers"]
    before = PeerLosses(config.peer_losses, found, digits, (0, 1)).state_dict()
    # A measured weight for each of both directions, and adapters of their own that have learned.
    factors = [key for key in state if key.endswith("factors")]
    assert len(factors) == 2
    assert all(not torch.equal(state[key], before[key]) for key in factors)
    assert sum(key.endswith("adapter.weight") for key in state) == 2


def test_a_loss_that_does_not_suit_the_networks_is_refused(
    students: Students, digits: ClassificationTask
) -> None:
    term = TermSettings(method="attention", weight=1.0, student="late", teacher="late")
    with pytest.raises(UserError, match="peer_losses: the network has no module 'late'"):
        PeerLosses([term], students, digits, (0, 1, 2))


@pytest.mark.parametrize("order", ["sequential", "simultaneous"])
def test_a_frozen_network_stays_as_it_is_while_the_other_learns(
    order: str, make_config: Any, digits: ClassificationTask
) -> None:
    config = make_config(order=order, training={"epochs": 1})
    teacher = config.students[0].model_copy(update={"frozen": True})
    config = config.model_copy(update={"students": (teacher, config.students[1])})
    found = create_students(config, digits, 0)
    before = {key: value.clone() for key, value in found.state_dict().items()}
    train_students(found, config, digits, CPU, 0)
    changed = {
        key.split(".")[1] for key, v in found.state_dict().items() if not v.equal(before[key])
    }
    assert changed == {"shallow"}


def test_frozen_networks_alone_are_refused(make_config: Any) -> None:
    students = [{**s.model_dump(), "frozen": True} for s in make_config().students]
    with pytest.raises(ValueError, match="nothing is left to learn"):
        make_config(students=students)
