from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.errors import UserError
from nas.mutual_learning.adapters import map_loss
from nas.mutual_learning.kinds import create_students, mutual_kind
from nas.mutual_learning.losses import MutualLoss, all_paths
from nas.mutual_learning.networks_file import load_students, save_students
from nas.mutual_learning.students import Forward, Students
from nas.mutual_learning.training import Companion, MutualLoop, MutualUpdate, train_students
from nas.tasks import ClassificationTask
from nas.training.loop import Batch
from nas.training.update import Group, Update

UNEQUAL = ("shallow", "wide")


@pytest.fixture
def unequal(make_config: Any, digits: ClassificationTask) -> Students:
    return create_students(make_config(networks=UNEQUAL, adapters={}), digits, 0)


class OneBatch:
    def __init__(self, images: Tensor):
        self._batch = Batch(images, torch.tensor([0, 1, 2, 3]))

    def __len__(self) -> int:
        return 1

    def epoch(self, index: int) -> list[Batch]:
        return [self._batch]


def loop_of(
    students: Students, images: Tensor, turns: dict[tuple[int, int], set[int]], **options: Any
) -> MutualLoop:
    companions = [
        Companion(adapter, Update([Group(adapter, "sgd", 0.1)]), frozenset(turns[place[1:]]))
        for place, adapter in students.adapters.each()
    ]
    updates = {n: Update([Group(students.student(n), "sgd", 0.1)]) for n in range(len(students))}
    return MutualLoop(
        students=students,
        batches=OneBatch(images),
        loss=MutualLoss("xml"),
        task=functional.cross_entropy,
        update=MutualUpdate(updates, companions),
        **options,
    )


def weights(students: Students, sender: int, receiver: int) -> Tensor:
    adapter = students.adapters.between(1, sender, receiver)
    assert isinstance(adapter, nn.Sequential)
    weight = adapter[0].weight
    assert isinstance(weight, Tensor)
    return weight


def test_adapters_join_each_side_to_the_other(unequal: Students) -> None:
    assert [place for place, _ in unequal.adapters.each()] == [(1, 0, 1), (1, 1, 0)]
    assert weights(unequal, 0, 1).shape == (8, 4, 1, 1)
    assert weights(unequal, 1, 0).shape == (4, 8, 1, 1)


def test_a_crossed_path_leads_through_its_adapter(unequal: Students, images: Tensor) -> None:
    unequal.eval()
    forward = Forward(unequal, images)
    adapter = unequal.adapters.between(1, 0, 1)
    assert adapter is not None
    expected = unequal.part((0, 1))(adapter(unequal.part((0,))(images)))
    for path in all_paths(2, 2):
        torch.testing.assert_close(forward(path), unequal.network(path)(images))
    torch.testing.assert_close(forward((0, 1)), expected)


def test_a_step_without_adapters_in_its_turn_leaves_them(unequal: Students, images: Tensor) -> None:
    before = [weights(unequal, *pair).clone() for pair in ((0, 1), (1, 0))]
    loop_of(unequal, images, {(0, 1): {0}, (1, 0): set()}).epoch(0)
    assert not torch.equal(weights(unequal, 0, 1), before[0])
    assert torch.equal(weights(unequal, 1, 0), before[1])


def test_what_an_adapter_gave_is_forgotten_with_its_network(
    unequal: Students, images: Tensor
) -> None:
    unequal.eval()
    forward = Forward(unequal, images)
    before = forward((0, 1))
    with torch.no_grad():
        weights(unequal, 0, 1).mul_(2)
    forward.forget(0)
    assert not torch.equal(forward((0, 1)), before)


def test_the_loss_on_maps_is_the_mean_over_both_directions(
    unequal: Students, images: Tensor
) -> None:
    unequal.eval()
    forward = Forward(unequal, images)
    narrow, wide = forward((0,)), forward((1,))
    there, back = unequal.adapters.between(1, 0, 1), unequal.adapters.between(1, 1, 0)
    assert there is not None and back is not None
    expected = ((there(narrow) - wide) ** 2).mean() / 2 + ((back(wide) - narrow) ** 2).mean() / 2
    assert map_loss(0, unequal.adapters, forward).item() == pytest.approx(expected.item())


def test_the_loss_on_maps_counts_those_of_the_peer_as_given(
    unequal: Students, images: Tensor
) -> None:
    map_loss(0, unequal.adapters, Forward(unequal, images)).backward()
    own, peer = (list(unequal.student(n).parts[0].parameters()) for n in (0, 1))
    assert any(p.grad is not None and bool(p.grad.any()) for p in own)
    assert all(p.grad is None for p in peer)


@pytest.mark.parametrize(
    "changes",
    [
        {"adapters": {"trained_by": "sender", "map_weight": 0.5}},
        {"adapters": {"map_weight": 0.5}, "order": "simultaneous"},
    ],
)
def test_networks_of_unequal_width_are_trained_and_saved(
    changes: dict[str, Any], make_config: Any, digits: ClassificationTask, tmp_path: Path
) -> None:
    config = make_config(networks=UNEQUAL, training={"epochs": 1}, **changes)
    students = create_students(config, digits, 0)
    before = weights(students, 0, 1).clone()
    train_students(students, config, digits, torch.device("cpu"), 0)
    assert not torch.equal(weights(students, 0, 1), before)
    path = tmp_path / "networks.safetensors"
    description = mutual_kind("classification").description(students, config, digits)
    save_students(students, description, path)
    loaded, _ = load_students(path)
    assert torch.equal(weights(loaded, 0, 1), weights(students, 0, 1))


def test_adapters_that_nothing_needs_are_refused(
    make_config: Any, digits: ClassificationTask
) -> None:
    with pytest.raises(UserError, match="maps of one shape; leave adapters out"):
        create_students(make_config(adapters={}), digits, 0)


def test_unequal_widths_without_adapters_are_refused(
    make_config: Any, digits: ClassificationTask
) -> None:
    with pytest.raises(UserError, match="or let 1x1 convolutions join them"):
        create_students(make_config(networks=UNEQUAL), digits, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matching": {}}, "leave adapters or matching out"),
        ({"order": "simultaneous"}, "order sequential only"),
    ],
)
def test_settings_that_exclude_adapters_are_refused(
    changes: dict[str, Any], message: str, make_config: Any
) -> None:
    with pytest.raises(ValueError, match=message):
        make_config(networks=UNEQUAL, adapters={"trained_by": "sender"}, **changes)


def test_a_configuration_without_adapters_is_what_it_was(make_config: Any) -> None:
    config = make_config()
    assert "adapters" not in config.identity()
    assert "adapters" not in repr(config)
