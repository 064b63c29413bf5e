from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.distillation import Taps

IMAGES = torch.ones(2, 3)


class Chain(nn.Module):
    """Doubles, adds one, and calls `shared` twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.shared = nn.Linear(3, 3, bias=False)
        self.pair = Pair()
        self.unused = nn.Linear(3, 3)
        self.fail = False
        with torch.no_grad():
            self.first.weight.copy_(2 * torch.eye(3))
            self.shared.weight.copy_(3 * torch.eye(3))

    def forward(self, images):
        once = self.shared(self.first(images))
        if self.fail:
            raise RuntimeError("out of luck")
        return self.pair(self.shared(once))[0]

    def other_way(self, images):
        return self.first(images), "auxiliary"


class Pair(nn.Module):
    def forward(self, features):
        return features, features


@pytest.fixture
def chain():
    return Chain()


def hooks(network):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_outputs_are_those_of_the_modules(chain):
    with Taps(chain, ["first", "shared"]) as taps:
        output = taps.run(IMAGES)
    assert torch.equal(output, 18 * IMAGES)
    assert torch.equal(taps.outputs["first"], 2 * IMAGES)
    assert set(taps.outputs) == {"first", "shared"}


def test_of_a_module_called_twice_the_last_output_counts(chain):
    with Taps(chain, ["shared"]) as taps:
        taps.run(IMAGES)
    assert torch.equal(taps.outputs["shared"], 18 * IMAGES)


def test_hooks_are_removed_after_the_block(chain):
    with Taps(chain, ["first"], until="shared"):
        assert hooks(chain) == 3
    assert hooks(chain) == 0


def test_hooks_are_removed_after_a_failed_forward_pass(chain):
    chain.fail = True
    with pytest.raises(RuntimeError, match="luck"), Taps(chain, ["first"]) as taps:
        taps.run(IMAGES)
    assert hooks(chain) == 0


def test_hooks_are_removed_after_an_error_in_the_block(chain):
    with pytest.raises(KeyError), Taps(chain, ["first"], until="shared"):
        raise KeyError
    assert hooks(chain) == 0


def test_nested_taps_keep_their_own_outputs(chain):
    with Taps(chain, ["first"]) as outer:
        with Taps(chain, ["shared"]) as inner:
            chain(IMAGES)
        assert torch.equal(inner.outputs["shared"], 18 * IMAGES)
        chain(2 * IMAGES)
    assert torch.equal(outer.outputs["first"], 4 * IMAGES)
    assert torch.equal(inner.outputs["shared"], 18 * IMAGES)
    assert hooks(chain) == 0


def test_one_object_cannot_be_nested_in_itself(chain):
    with Taps(chain, ["first"]) as taps:
        with pytest.raises(ValueError, match="already in use"), taps:
            pass
        assert hooks(chain) == 2
    assert hooks(chain) == 0


def test_a_used_object_can_be_used_again(chain):
    taps = Taps(chain, ["first"])
    for factor in (1, 5):
        with taps:
            taps.run(factor * IMAGES)
        assert torch.equal(taps.outputs["first"], 2 * factor * IMAGES)


@pytest.mark.parametrize("through_run", [True, False])
def test_outputs_are_forgotten_before_the_next_pass(chain, through_run):
    with Taps(chain, ["shared"]) as taps:
        taps.run(IMAGES)
        chain.first.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("early")))
        with pytest.raises(RuntimeError, match="early"):
            (taps.run if through_run else chain)(IMAGES)
        assert taps.outputs == {}


def test_until_stops_the_run_after_a_module(chain):
    chain.fail = True
    with Taps(chain, ["first", "shared"], until="shared") as taps:
        assert taps.run(IMAGES) is None
    assert torch.equal(taps.outputs["shared"], 6 * IMAGES)


def test_until_leaves_an_outer_stop_alone(chain):
    with Taps(chain, [], until="first") as outer:
        with Taps(chain, ["first"], until="shared") as inner, pytest.raises(Exception) as caught:
            inner.run(IMAGES)
        assert "stopped by its taps" in str(caught.value)
        assert outer.run(IMAGES) is None


def test_another_way_through_the_network_can_be_tapped(chain):
    with Taps(chain, ["first"]) as taps:
        output = taps.run(IMAGES, chain.other_way)
    assert output[1] == "auxiliary"
    assert torch.equal(taps.outputs["first"], 2 * IMAGES)


def test_gradients_flow_through_what_is_tapped(chain):
    with Taps(chain, ["first"]) as taps:
        taps.run(IMAGES)
    taps.outputs["first"].sum().backward()
    assert torch.equal(chain.first.weight.grad, torch.full((3, 3), 2.0))


def test_no_grad_and_autocast_are_the_callers(chain):
    with Taps(chain, ["first"]) as taps, torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        taps.run(IMAGES)
    assert taps.outputs["first"].dtype == torch.bfloat16
    assert not taps.outputs["first"].requires_grad


@pytest.mark.parametrize(
    ("path", "hint"),
    [("frist", "'first'"), ("zzzzzzzz", "first, shared, pair, unused"), ("", "first, shared")],
)
@pytest.mark.parametrize("as_end", [True, False])
def test_an_unknown_module_is_refused_with_what_there_is(chain, path, hint, as_end):
    with pytest.raises(ValueError, match=f"no module '{path}'.*{hint}"):
        Taps(chain, [], until=path) if as_end else Taps(chain, [path])


def test_a_module_without_a_tensor_is_refused(chain):
    with pytest.raises(ValueError, match="'pair' gives a tuple"), Taps(chain, ["pair"]) as taps:
        taps.run(IMAGES)
    assert hooks(chain) == 0


@pytest.mark.parametrize(
    ("paths", "until", "message"),
    [
        (["unused"], None, "'unused' is not run by the network$"),
        (["shared"], "first", "'shared' is not run by the network before 'first'"),
        ([], "unused", "'unused' is not run"),
    ],
)
def test_a_module_that_is_not_run_is_refused(chain, paths, until, message):
    with pytest.raises(ValueError, match=message), Taps(chain, paths, until) as taps:
        taps.run(IMAGES)


def test_a_run_outside_the_block_is_refused(chain):
    with pytest.raises(ValueError, match="inside their `with` block"):
        Taps(chain, ["first"]).run(IMAGES)


def test_what_is_changed_in_place_later_is_kept_as_it_was():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3))
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        before = net[0](images)
    assert before.min() < 0
    with Taps(net, ["0"]) as taps:
        logits = taps.run(images)
        assert torch.equal(taps.outputs["0"], before)
    # The network itself computes what it did without taps.
    assert torch.equal(logits, net(images))
    (taps.outputs["0"].sum() + logits.sum()).backward()
    with Taps(net, ["0"], until="0") as taps:
        taps.run(images)
        assert torch.equal(taps.outputs["0"], before)
