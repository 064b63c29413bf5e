from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.mutual_learning.kinds import create_students
from nas.mutual_learning.losses import MutualLoss, all_paths
from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.splitting import split
from nas.mutual_learning.students import Forward, Students
from nas.mutual_learning.training import MutualLoop, MutualUpdate, train_students
from nas.tasks import ClassificationTask
from nas.training.loop import Batch
from nas.training.update import Group, Update


def state(students: Students) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in students.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


def count_passes(students: Students) -> Counter[tuple[int, int]]:
    """Counts the passes of each part, by network and part."""
    counts: Counter[tuple[int, int]] = Counter()

    def counting(key: tuple[int, int]) -> Any:
        return lambda module, inputs: counts.update([key])

    for number in range(len(students)):
        for part, module in enumerate(students.student(number).parts):
            module.register_forward_pre_hook(counting((number, part)))
    return counts


class OneBatch:
    def __init__(self, images: Tensor):
        self._batch = Batch(images, torch.tensor([0, 1, 2, 3]))

    def __len__(self) -> int:
        return 1

    def epoch(self, index: int) -> list[Batch]:
        return [self._batch]


def loop_of(students: Students, images: Tensor, **options: Any) -> MutualLoop:
    groups = [Group(students.student(n), "sgd", 0.1) for n in range(len(students))]
    return MutualLoop(
        students=students,
        batches=options.pop("batches", None) or OneBatch(images),
        loss=options.pop("loss", MutualLoss("xml")),
        task=nn.functional.cross_entropy,
        update=MutualUpdate({n: Update([group]) for n, group in enumerate(groups)}),
        **options,
    )


class Watched(OneBatch):
    """Notes what of some modules is changed while a batch is trained on."""

    def __init__(self, images: Tensor, modules: list[nn.Module]):
        super().__init__(images)
        self._modules = modules
        self.changed: list[bool] = []

    def epoch(self, index: int) -> list[Batch]:
        self.changed += ["forward" in vars(module) for module in self._modules]
        return super().epoch(index)


def three(config: MutualConfig) -> MutualConfig:
    return config.model_copy(update={"students": (*config.students, config.students[0])})


def test_all_paths_of_three_networks_take_three_upper_and_nine_lower_passes(
    config: MutualConfig, digits: ClassificationTask, images: Tensor
) -> None:
    students = create_students(three(config), digits, 0)
    counts = count_passes(students)
    forward = Forward(students, images)
    for path in all_paths(3, 2):
        forward(path)
    assert counts == {(n, 0): 1 for n in range(3)} | {(n, 1): 3 for n in range(3)}


def test_a_simultaneous_step_takes_k_upper_and_k_squared_lower_passes(
    config: MutualConfig, digits: ClassificationTask, images: Tensor
) -> None:
    students = create_students(three(config), digits, 0)
    counts = count_passes(students)
    loop_of(students, images, order="simultaneous").epoch(0)
    assert counts == {(n, 0): 1 for n in range(3)} | {(n, 1): 3 for n in range(3)}


def test_a_sequential_step_runs_again_what_an_update_has_changed(
    config: MutualConfig, digits: ClassificationTask, images: Tensor
) -> None:
    students = create_students(config, digits, 0)
    counts = count_passes(students)
    loop_of(students, images).epoch(0)
    # Four paths for the first network; for the second, three of them lead through the first.
    assert (counts[0, 0], counts[1, 0], counts[0, 1] + counts[1, 1]) == (2, 1, 7)


def test_a_path_computes_what_its_network_computes(
    config: MutualConfig, digits: ClassificationTask, images: Tensor
) -> None:
    students = create_students(config, digits, 0).eval()
    for path in all_paths(2, 2):
        assert torch.equal(Forward(students, images)(path), students.network(path)(images))


def test_a_sequential_update_changes_its_own_network_alone(
    config: MutualConfig, digits: ClassificationTask, images: Tensor
) -> None:
    students = create_students(config, digits, 0)
    loop = loop_of(students, images)
    peer = students.student(1)
    before = [p.clone() for p in peer.parameters()]
    batch = next(iter(loop.batches.epoch(0)))
    first = loop.update.each[0]
    loss = loop._loss(0, Forward(students, images), batch)
    first.backward(loss, only=list(students.student(0).parameters()))
    first.step()
    assert all(torch.equal(p, old) for p, old in zip(peer.parameters(), before, strict=True))
    assert all(not p.grad.any() for p in peer.parameters() if p.grad is not None)


def test_sequential_and_simultaneous_updates_agree_on_the_first_network_of_dml(
    config: MutualConfig, digits: ClassificationTask, images: Tensor
) -> None:
    found = []
    for order in ("sequential", "simultaneous"):
        students = create_students(config, digits, 0)
        loop_of(students, images, order=order, loss=MutualLoss("dml")).epoch(0)
        found.append([[p.clone() for p in students.student(n).parameters()] for n in (0, 1)])
    for one, other in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(one, other)
    # The second one learned from a peer that had seen the batch.
    assert any(not torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))


@pytest.mark.parametrize("method", ["independent", "dml", "xml"])
def test_every_method_learns(make_config: Any, method: str, digits: ClassificationTask) -> None:
    config = make_config(method=method)
    students = create_students(config, digits, 0)
    result = train_students(students, config, digits, torch.device("cpu"), 0)
    assert result.history[1].loss < result.history[0].loss


def test_independent_networks_do_not_depend_on_their_peers(
    make_config: Any, digits: ClassificationTask
) -> None:
    config = make_config(method="independent")
    swapped = config.model_copy(update={"students": (config.students[0], config.students[0])})
    found = []
    for chosen in (config, swapped):
        students = create_students(chosen, digits, 0)
        result = train_students(students, chosen, digits, torch.device("cpu"), 0)
        found.append([record.scores["deep accuracy"] for record in result.history])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "sequential"},
        {"order": "simultaneous"},
        {
            "networks": ("shallow", "wide"),
            "adapters": {},
            "peer_losses": [{"method": "feature_mse", "student": "early", "teacher": "early"}],
        },
    ],
)
def test_a_training_that_was_cut_off_continues_bit_for_bit(
    make_config: Any, changes: dict[str, Any], digits: ClassificationTask, tmp_path: Path
) -> None:
    config = make_config(**changes)
    whole = create_students(config, digits, 0)
    train_students(whole, config, digits, torch.device("cpu"), 0)

    class CutOffError(Exception):
        pass

    def cut_off(record: Any) -> None:
        raise CutOffError

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(CutOffError):
        train_students(
            create_students(config, digits, 0),
            config,
            digits,
            torch.device("cpu"),
            0,
            checkpoint,
            cut_off,
        )
    again = create_students(config, digits, 0)
    train_students(again, config, digits, torch.device("cpu"), 0, checkpoint)
    assert equal(state(whole), state(again))


def test_another_loss_is_another_training(
    make_config: Any, digits: ClassificationTask, tmp_path: Path
) -> None:
    config, checkpoint = make_config(training={"epochs": 1}), tmp_path / "checkpoint.pt"
    cpu = torch.device("cpu")
    train_students(create_students(config, digits, 0), config, digits, cpu, 0, checkpoint)
    other = make_config(training={"epochs": 1}, method="dml")
    with pytest.raises(UserError, match="other settings"):
        train_students(create_students(other, digits, 0), other, digits, cpu, 0, checkpoint)


def test_three_parts_are_trained(make_config: Any, digits: ClassificationTask) -> None:
    config = make_config(cut=["early", "middle"])
    students = create_students(config, digits, 0)
    train_students(students, config, digits, torch.device("cpu"), 0)
    assert students.parts == 3


def test_parts_of_other_shapes_are_refused(make_config: Any, digits: ClassificationTask) -> None:
    config = make_config()
    second = config.students[1].model_copy(update={"cut": ("middle",)})
    unequal = config.model_copy(update={"students": (config.students[0], second)})
    with pytest.raises(UserError, match="deep hands over 4 x 8 x 8 at its cut 1 and shallow 6 x"):
        create_students(unequal, digits, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detached": False}, "order simultaneous"),
        ({"method": "dml", "normaliser": "2K"}, "method xml"),
        ({"method": "independent", "order": "simultaneous"}, "method dml or xml"),
        ({"training": {"r_drop": 1.0}}, "one pass each"),
        ({"training": {"precision": "float16"}}, "bfloat16"),
    ],
)
def test_settings_without_effect_are_refused(
    make_config: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_config(**changes)


def test_networks_of_one_name_are_numbered(config: MutualConfig) -> None:
    assert three(config).names == ("deep", "shallow", "deep-2")


def test_paths_go_by_name(config: MutualConfig, digits: ClassificationTask) -> None:
    students = create_students(config, digits, 0)
    assert students.path("shallow/deep") == (1, 0)
    assert students.name((1, 0)) == "shallow/deep"
    with pytest.raises(UserError, match=r"name 2 networks with '/' between them.*deep, shallow"):
        students.path("shallow")


def test_networks_are_trained_around_the_faults_of_convolutions_on_a_cpu(images: Tensor) -> None:
    def network() -> nn.Module:
        early = nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.BatchNorm2d(4))
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
        return nn.Sequential(early, head)

    students = Students({name: split(network(), ["0"]) for name in "ab"}, (1, 3, 8, 8))
    strided = [m for m in students.modules() if isinstance(m, nn.Conv2d)]
    batches = Watched(images, strided)
    loop_of(students, images, batches=batches).epoch(0)
    assert batches.changed == [True, True]
    assert not any("forward" in vars(module) for module in strided)
