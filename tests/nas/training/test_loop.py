from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nas import long_steps
from nas.errors import UserError
from nas.kinds.segmentation.objective import SegmentationLoss, SegmentationObjective
from nas.long_steps import told_to
from nas.training.loop import Batch, DivergedError, Loop, naming_diverged, train_epoch
from nas.training.update import Group, Update


class TwoBatches:
    """The same two batches at every epoch, two classes, 4x4 pixels."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self._images = torch.randn(2, 4, 2, 4, 4, generator=generator)
        self.asked = []

    def __len__(self):
        return 2

    def epoch(self, index):
        self.asked.append(index)
        for images in self._images:
            yield Batch(images, (images[:, 0] > 0).byte())


def make(net, rate=0.01, **options):
    return Loop(
        network=net,
        batches=TwoBatches(),
        loss=SegmentationLoss(
            options.pop("forward", lambda images: (net(images), [])),
            SegmentationObjective(255),
            options.pop("precision", "float32"),
        ),
        update=Update([Group(net, "adam", rate)]),
        **options,
    )


def test_an_epoch_gives_the_mean_loss_of_its_batches(small_net):
    loop = make(small_net, rate=1e-12)
    small_net.train()
    losses = [
        loop.loss.objective(small_net(batch.inputs), [], batch.targets).item()
        for batch in loop.batches.epoch(0)
    ]
    assert loop.epoch(0) == pytest.approx(sum(losses) / 2)


def test_a_long_epoch_says_how_far_it_is(monkeypatch) -> None:
    clock = iter(range(0, 1000, 40))
    # Of this module alone, as other threads may ask for the time.
    monkeypatch.setattr(long_steps, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    told: list[str] = []

    class Batches(list):
        def epoch(self, index):
            return self

    with told_to(told.append):
        train_epoch(
            Batches(range(4)), lambda batch, scale: torch.ones(()), lambda: True, 2, lambda step: 1
        )
    assert told == [
        "epoch 3, batches: 2 of 4, 40.0 s each, 1 min 20 s left",
        "epoch 3, batches: 3 of 4, 40.0 s each, 40.0 s left",
        "epoch 3, batches: all 4 in 2 min 40 s",
    ]


def test_the_loss_falls(small_net):
    loop = make(small_net, rate=0.05)
    losses = [loop.epoch(index) for index in range(10)]
    assert losses[-1] < 0.5 * losses[0]
    assert loop.batches.asked == list(range(10))


def test_the_scale_is_asked_for_every_step_of_the_whole_training(small_net):
    steps = []
    loop = make(small_net)
    for index in range(3):
        loop.epoch(index, lambda step: steps.append(step) or 1.0)
    assert steps == [0, 1, 2, 3, 4, 5]


def test_the_scale_reaches_the_update(small_net):
    before = small_net[0].weight.detach().clone()
    make(small_net).epoch(0, lambda step: 0.0)
    assert torch.equal(small_net[0].weight, before)


def test_auxiliary_logits_are_trained(small_net):
    head = nn.Conv2d(2, 2, 1)
    net = nn.ModuleList([small_net, head])
    before = head.weight.detach().clone()
    make(net, forward=lambda images: (small_net(images), [head(images)])).epoch(0)
    assert (head.weight - before).abs().min() > 0


def test_the_network_is_put_into_training_mode_but_for_frozen_statistics(small_net):
    statistics = [small_net[n].running_mean.clone() for n in (1, 3)]
    make(small_net.eval(), frozen_statistics=(small_net[1],)).epoch(0)
    assert torch.equal(small_net[1].running_mean, statistics[0])
    assert small_net[1].num_batches_tracked.item() == 0
    assert not torch.equal(small_net[3].running_mean, statistics[1])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training(small_net, value):
    loop = make(small_net, forward=lambda images: (value * small_net(images), []))
    with pytest.raises(DivergedError, match="in epoch 3"):
        loop.epoch(3)


def test_a_training_that_diverges_is_named_with_what_to_do():
    settings = SimpleNamespace(learning_rate=0.02)
    with (
        pytest.raises(UserError) as told,
        naming_diverged("the teacher", "teacher.training.learning_rate", settings),
    ):
        raise DivergedError("the loss became nan in epoch 0")
    assert str(told.value) == (
        "the teacher diverged: the loss became nan in epoch 0; train with a lower learning rate, "
        "for example --set teacher.training.learning_rate=0.002."
    )


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_precision_is_that_of_the_forward_pass_alone(small_net, precision, dtype):
    seen = []

    def forward(images):
        features = small_net[0](images)
        seen.append(features.dtype)
        return small_net[1:](features), []

    loss = make(small_net, forward=forward, precision=precision).epoch(0)
    assert seen == [dtype, dtype]
    assert 0 < loss < 10
    assert all(parameter.dtype == torch.float32 for parameter in small_net.parameters())


def test_a_loss_that_is_not_finite_ends_its_epoch():
    class Endless:
        asked = 0

        def __len__(self):
            return 1000

        def epoch(self, index):
            for _ in range(1000):
                self.asked += 1
                yield Batch(torch.ones(1), torch.zeros(1))

    batches = Endless()
    with pytest.raises(DivergedError, match="the loss became nan in epoch 0"):
        train_epoch(batches, lambda *_: torch.tensor(float("nan")), lambda: True, 0, lambda _: 1.0)
    assert batches.asked < 100
