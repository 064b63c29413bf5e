from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import nn

from nas.training.update import Group, Update

CLIP, POLYAK = 0.2, 0.2


def backward(net, step):
    generator = torch.Generator().manual_seed(step)
    images = torch.randn(4, 2, 5, 5, generator=generator)
    target = torch.randn(4, 4, 5, 5, generator=generator)
    net.train()
    (net(images) - target).square().mean().backward()


def train(net, update, steps):
    for step in steps:
        update.zero_gradients()
        backward(net, step)
        update.step()


def floats(net):
    return {key: value for key, value in net.state_dict().items() if value.is_floating_point()}


def clones(net):
    return {key: value.detach().clone() for key, value in floats(net).items()}


def vector(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6, msg=key)


def reference(net, optimiser, steps):
    """Tensor by tensor: clip, optimise, average parameters and statistics."""
    averages = clones(net)
    for number, step in enumerate(steps, start=1):
        optimiser.zero_grad()
        backward(net, step)
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimiser.step()
        decay = min(POLYAK, number / (number + 9))
        for key, value in floats(net).items():
            averages[key] = decay * averages[key] + (1 - decay) * value
    return averages


@pytest.mark.parametrize(
    ("name", "decay", "make"),
    [
        ("adam", 0.0, lambda p: torch.optim.Adam(p, 0.01)),
        ("adamw", 0.1, lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
        ("sgd", 0.1, lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, weight_decay=0.1)),
    ],
)
def test_five_updates_equal_those_tensor_by_tensor(small_net, name, decay, make):
    plain = copy.deepcopy(small_net)
    averages = reference(plain, make(plain.parameters()), range(5))
    update = Update([Group(small_net, name, 0.01, decay)], CLIP, POLYAK)
    train(small_net, update, range(5))
    assert_close(clones(small_net), clones(plain))
    update.load_average()
    assert_close(clones(small_net), averages)


def test_the_average_covers_the_statistics_of_batch_norm(small_net):
    update = Update([Group(small_net, "adam", 0.01)], polyak=0.05)
    start = small_net[1].running_mean.clone()
    train(small_net, update, range(1))
    last = small_net[1].running_mean.clone()
    update.load_average()
    assert not torch.equal(last, start)
    torch.testing.assert_close(small_net[1].running_mean, 0.05 * start + 0.95 * last)


def test_the_first_averages_forget_the_random_start_faster(small_net):
    update = Update([Group(small_net, "sgd", 0.1)], polyak=0.9)
    start = small_net[0].weight.detach().clone()
    train(small_net, update, range(1))
    last = small_net[0].weight.detach().clone()
    update.load_average()
    torch.testing.assert_close(small_net[0].weight.detach(), 0.1 * start + 0.9 * last)


def test_clipping_bounds_the_gradient_of_every_group(small_net):
    update = Update([Group(small_net[0], "sgd", 1.0), Group(small_net[1:], "sgd", 1.0)], clip=0.01)
    before = [vector(small_net[0]), vector(small_net[1:])]
    train(small_net, update, range(1))
    for part, start in zip((small_net[0], small_net[1:]), before, strict=True):
        moved = torch.linalg.vector_norm(vector(part) - start)
        assert moved.item() == pytest.approx(0.01, rel=1e-3)


def test_groups_have_learning_rates_of_their_own(small_net):
    frozen = copy.deepcopy(small_net)
    update = Update([Group(small_net[0], "sgd", 1e-12), Group(small_net[4], "sgd", 0.1)])
    train(small_net, update, range(1))
    torch.testing.assert_close(small_net[0].weight, frozen[0].weight, rtol=0, atol=1e-9)
    assert (small_net[4].weight - frozen[4].weight).abs().max() > 1e-4


def test_the_scale_multiplies_the_learning_rate(small_net):
    halved = copy.deepcopy(small_net)
    first = Update([Group(small_net, "sgd", 0.1)])
    second = Update([Group(halved, "sgd", 0.2)])
    for step in range(3):
        for net, update, scale in ((small_net, first, 1.0), (halved, second, 0.5)):
            update.zero_gradients()
            backward(net, step)
            update.step(scale)
    assert_equal(clones(halved), clones(small_net))


def test_gradients_are_forgotten(small_net):
    update = Update([Group(small_net, "sgd", 0.1)])
    backward(small_net, 0)
    once = small_net[0].weight.grad.clone()
    backward(small_net, 0)
    torch.testing.assert_close(small_net[0].weight.grad, 2 * once)
    update.zero_gradients()
    assert all(not parameter.grad.any() for parameter in small_net.parameters())


def test_swapping_the_average_twice_changes_nothing(small_net):
    update = Update([Group(small_net, "adam", 0.01)], CLIP, POLYAK)
    train(small_net, update, range(3))
    last = clones(small_net)
    update.swap_average()
    average = clones(small_net)
    update.swap_average()
    assert_equal(clones(small_net), last)
    update.load_average()
    assert_equal(clones(small_net), average)
    assert not torch.equal(average["0.weight"], last["0.weight"])
    assert not torch.equal(average["1.running_var"], last["1.running_var"])


def test_without_an_average_the_last_iterate_stays(small_net):
    update = Update([Group(small_net, "adam", 0.01)])
    train(small_net, update, range(2))
    last = clones(small_net)
    update.swap_average()
    update.load_average()
    assert_equal(clones(small_net), last)


def test_an_average_of_decay_zero_is_the_last_iterate(small_net):
    update = Update([Group(small_net, "adam", 0.01)], polyak=0.0)
    train(small_net, update, range(2))
    last = clones(small_net)
    update.load_average()
    assert_equal(clones(small_net), last)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_saved_state_goes_on_bit_for_bit(small_net, name):
    resumed = copy.deepcopy(small_net)
    groups = lambda net: [Group(net[:2], name, 0.01), Group(net[2:], name, 0.02)]  # noqa: E731
    update = Update(groups(small_net), CLIP, POLYAK)
    train(small_net, update, range(2))
    file = io.BytesIO()
    torch.save({"net": small_net.state_dict(), "update": update.state_dict()}, file)
    train(small_net, update, range(2, 5))

    file.seek(0)
    state = torch.load(file, weights_only=True)
    other = Update(groups(resumed), CLIP, POLYAK)
    resumed.load_state_dict(state["net"])
    other.load_state_dict(state["update"])
    train(resumed, other, range(2, 5))
    assert_equal(clones(resumed), clones(small_net))
    update.load_average()
    other.load_average()
    assert_equal(clones(resumed), clones(small_net))


def test_frozen_parameters_stay(small_net):
    small_net[0].requires_grad_(False)
    before = small_net[0].weight.clone()
    update = Update([Group(small_net, "adamw", 0.1, weight_decay=0.5)], polyak=0.5)
    train(small_net, update, range(2))
    update.load_average()
    assert torch.equal(small_net[0].weight, before)


def test_a_group_without_trainable_parameters_is_refused(small_net):
    frozen = nn.Conv2d(2, 2, 1).requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable parameter"):
        Update([Group(small_net, "adam", 0.01), Group(frozen, "adam", 0.01)])


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf")])
def test_a_learning_rate_that_is_not_above_zero_is_refused(small_net, rate):
    with pytest.raises(ValueError, match="learning rate must be above 0"):
        Update([Group(small_net, "adam", rate)])


def test_modules_of_other_groups_are_left_to_them(small_net):
    first, rest = small_net[0], Group(small_net, "sgd", 1.0, momentum=0.0, without=(small_net[0],))
    before = vector(small_net).clone()
    update = Update([Group(first, "sgd", 0.1, momentum=0.0), rest])
    update.zero_gradients()
    sum(parameter.sum() for parameter in small_net.parameters()).backward()
    update.step()
    moved = before - vector(small_net)
    size = sum(parameter.numel() for parameter in first.parameters())
    torch.testing.assert_close(moved[:size], torch.full((size,), 0.1))
    torch.testing.assert_close(moved[size:], torch.ones(len(moved) - size))


def test_modules_left_out_keep_their_statistics_through_an_average(small_net):
    frozen = small_net[1]
    statistics = {key: value.clone() for key, value in frozen.state_dict().items()}
    update = Update([Group(small_net, "adam", 0.1, without=(frozen,))], polyak=0.5)
    for _ in range(3):
        update.zero_gradients()
        small_net.train()
        frozen.eval()
        small_net(torch.randn(4, 2, 5, 5)).square().mean().backward()
        update.step()
    update.load_average()
    assert all(torch.equal(value, statistics[key]) for key, value in frozen.state_dict().items())


def scaled(net, scale):
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return Update([Group(net, "adam", 0.01)], clip=CLIP, scaler=scaler)


def test_a_scaled_loss_gives_the_update_of_the_loss_itself(small_net):
    plain, net = copy.deepcopy(small_net), small_net
    for update, trained in (
        (Update([Group(plain, "adam", 0.01)], clip=CLIP), plain),
        (scaled(net, 1024.0), net),
    ):
        update.zero_gradients()
        update.backward(trained(torch.ones(4, 2, 5, 5)).square().mean())
        update.step()
    assert_close(floats(net), floats(plain))


def test_an_update_whose_gradients_overflow_is_left_out_and_the_scale_is_lowered(small_net):
    update, before = scaled(small_net, 1024.0), clones(small_net)
    update.zero_gradients()
    update.backward(sum(p.sum() for p in small_net.parameters()) * float("inf"))
    update.step()
    names = [name for name, _ in small_net.named_parameters()]
    assert all(torch.equal(small_net.state_dict()[name], before[name]) for name in names)
    assert update.state_dict()["scaler"]["scale"] == 512.0


def test_the_scale_is_resumed(small_net):
    update = scaled(small_net, 1024.0)
    update.zero_gradients()
    update.backward(sum(p.sum() for p in small_net.parameters()) * float("inf"))
    update.step()
    again = scaled(copy.deepcopy(small_net), 1024.0)
    again.load_state_dict(update.state_dict())
    assert again.state_dict()["scaler"]["scale"] == 512.0
