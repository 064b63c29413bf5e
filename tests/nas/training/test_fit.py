"""What every kind's training has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from nas.distillation.distiller import Distiller
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.kinds import kind_of
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.kinds.segmentation.settings import SegmentationFitSettings
from nas.training.checkpoint import load_checkpoint, save_checkpoint, snapshot
from nas.training.fit import fit
from nas.training.seeding import derive, seeded
from nas.training.teaching import Teaching
from nas.training.trainer import structure

CPU = torch.device("cpu")
# An average of the weights, and dropout, which draws from torch's global generator.
SEGMENTATION = SegmentationFitSettings(
    epochs=3, batch_size=8, augmentation="light", polyak=0.5, class_weights="equal", warmup=0.2
)
CLASSIFICATION = ClassifierFitSettings.model_validate(
    {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 0.01,
        "polyak": 0.5,
        "mixing": "mixup",
        "monitors": ["accuracy", "loss"],
    }
)


class Interrupted(BaseException):
    """What a signal is to a test."""


@dataclass(frozen=True)
class Small:
    """A small training of a kind.

    Attributes:
        task: The data.
        make: Makes networks; the seed decides their weights.
        settings: Of three epochs.
        beginning: Path of the first part of the networks.
        hint: Where a hint on that part is compared.
        figure: That decides.
    """

    task: Any
    make: Any
    settings: Any
    beginning: str
    hint: str
    figure: str

    def fit(self, network, seed=0, change=None, **options):
        settings = self.settings.model_copy(update=change or {})
        return fit(
            kind_of(self.task), network, self.task, settings, device=CPU, seed=seed, **options
        )

    def teach(self, network, *terms):
        with seeded("distiller"):
            return Distiller(
                [TermSettings(**term) for term in terms],
                network,
                self.make(seed=9),
                self.task.input_shape,
                self.task.num_classes,
                kind_of(self.task).outputs,
            )


@pytest.fixture(params=["segmentation", "classification"])
def small(request, faces, make_network, corners, make_net):
    if request.param == "segmentation":
        return Small(faces, make_network, SEGMENTATION, "encoder", "stride=8", "macro_f1")
    return Small(corners, make_net, CLASSIFICATION, "stem", "stem", "accuracy")


def interrupt_after(epoch):
    def on_epoch(record):
        if record.epoch == epoch:
            raise Interrupted

    return on_epoch


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def altered(before, module):
    after = module.state_dict()
    return {key for key, value in before.items() if not torch.equal(after[key], value)}


def test_training_improves_and_ends_with_its_best_epoch(small):
    network = small.make()
    result = small.fit(network, change={"epochs": 6})
    losses = [record.loss for record in result.history]
    assert [record.epoch for record in result.history] == list(range(6))
    assert losses[-1] < 0.9 * losses[0]
    assert result.best.score == max(record.score for record in result.history)
    card = kind_of(small.task).score(network, small.task, "validation", CPU)
    assert not network.training
    assert card.figures[small.figure] == result.best.score


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_training_goes_on_bit_for_bit(small, tmp_path, epoch):
    def start(name, seed=0, **options):
        network = small.make(seed=seed, dropout=0.5)
        hint = {"method": "hint", "student": small.hint, "teacher": small.hint}
        distiller = small.teach(network, hint, {"method": "logit_mse"})
        before = snapshot(distiller)
        teaching = Teaching(distiller, identity="teacher")
        result = small.fit(network, teaching=teaching, resume=tmp_path / name, **options)
        # The regressor learns beside the network.
        assert altered(before, distiller)
        return result, network, distiller

    expected, whole, learned = start("whole.pt")
    with pytest.raises(Interrupted):
        start("resumed.pt", on_epoch=interrupt_after(epoch))
    torch.rand(7)
    # The random weights of the second start must not matter.
    result, resumed, again = start("resumed.pt", seed=1)
    assert result == expected
    assert_equal(resumed.state_dict(), whole.state_dict())
    assert_equal(again.state_dict(), learned.state_dict())
    for monitor, weights in expected.weights.items():
        assert_equal(result.weights[monitor], weights)
    last = [load_checkpoint(tmp_path / name) for name in ("resumed.pt", "whole.pt")]
    assert_equal(last[0]["network"], last[1]["network"])
    averages = [state["update"]["averages"] for state in last]
    assert averages[0]
    assert all(torch.equal(a, b) for a, b in zip(*averages, strict=True))


def test_only_the_epochs_that_are_left_run_again(small, tmp_path):
    path, epochs = tmp_path / "state.pt", []
    with pytest.raises(Interrupted):
        small.fit(small.make(), resume=path, on_epoch=interrupt_after(1))
    for _ in range(2):
        small.fit(small.make(), resume=path, on_epoch=lambda r: epochs.append(r.epoch))
        assert epochs == [2]


def test_a_checkpoint_of_another_training_is_refused(small, tmp_path):
    path, network = tmp_path / "state.pt", small.make()
    with pytest.raises(Interrupted):
        small.fit(small.make(), resume=path, on_epoch=interrupt_after(0))
    beginning = network.get_submodule(small.beginning)
    teacher = small.teach(network, {"method": "logit_mse"})
    for options in (
        {"change": {"epochs": 2}},
        {"change": {"learning_rate": 0.4}},
        {"seed": 1},
        {"teaching": Teaching(task_weight=0.5)},
        {"teaching": Teaching(frozen=(beginning,))},
        {"teaching": Teaching(rates={beginning: 0.1})},
        {"teaching": Teaching(teacher, identity="teacher")},
    ):
        with pytest.raises(UserError, match=r"state\.pt: .* belongs to a training with other set"):
            small.fit(network, resume=path, **options)
    with pytest.raises(UserError, match=r"state\.pt"):
        small.fit(small.make(width=12), resume=path)


def test_a_checkpoint_in_which_the_seed_is_named_first_resumes(small, tmp_path):
    path, network = tmp_path / "state.pt", small.make()
    expected = small.fit(small.make())
    with pytest.raises(Interrupted):
        small.fit(network, resume=path, on_epoch=interrupt_after(0))
    parts = (small.settings.model_dump_json(), small.task.fingerprint, structure(network))
    former = str(derive(*parts, 0, Teaching().describe(network)))
    state = load_checkpoint(path)
    assert state["training"] != former
    save_checkpoint(state | {"training": former}, path)
    epochs = []
    found = small.fit(small.make(), resume=path, on_epoch=lambda r: epochs.append(r.epoch))
    assert epochs == [1, 2]
    assert found == expected


def test_the_seed_alone_decides_every_weight(small):
    networks = [small.make(dropout=0.5) for _ in range(3)]
    for number, (network, seed) in enumerate(zip(networks, (4, 4, 5), strict=True)):
        torch.manual_seed(number)
        state = torch.get_rng_state()
        small.fit(network, seed=seed, change={"epochs": 2})
        assert torch.equal(torch.get_rng_state(), state)
    assert_equal(networks[1].state_dict(), networks[0].state_dict())
    assert altered(snapshot(networks[0]), networks[2])


def test_frozen_parts_stay_bit_for_bit_statistics_included(small):
    network = small.make()
    before, seen = snapshot(network), []
    small.fit(
        network,
        change={"weight_decay": 0.1},
        teaching=Teaching(frozen=(network.get_submodule(small.beginning),)),
        on_epoch=lambda record: seen.append(altered(before, network)),
    )
    for moved in (*seen, altered(before, network)):
        assert moved
        assert not any(key.startswith(f"{small.beginning}.") for key in moved)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_network_that_is_all_frozen_is_refused(small):
    network = small.make()
    with pytest.raises(UserError, match="nothing is left to learn"):
        small.fit(network, teaching=Teaching(frozen=(network,)))


def test_the_teacher_stays_as_it_is(small):
    network = small.make()
    distiller = small.teach(network, {"method": "logit_mse"})
    teacher = distiller._networks[1].train()
    before = snapshot(teacher)
    small.fit(network, change={"epochs": 1}, teaching=Teaching(distiller))
    assert altered(before, teacher) == set()
    assert not teacher.training
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_without_the_labels_the_training_loss_decides(small):
    network = small.make()
    hint = {"method": "hint", "student": small.hint, "teacher": small.hint}
    teaching = Teaching(small.teach(network, hint), task_weight=0.0)
    change = {"polyak": None, "learning_rate": 0.02}
    result = small.fit(network, change=change, teaching=teaching)
    losses = [record.loss for record in result.history]
    assert set(result.weights) == {"train_loss"}
    assert [record.score for record in result.history] == losses
    assert result.best.loss == min(losses) < losses[0]
