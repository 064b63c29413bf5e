from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from nas.training.flat import FlatBuffers, FlatParameters

IMAGES = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(0))


def test_flat_parameters_and_buffers_leave_the_outputs(small_net):
    small_net.train()(IMAGES)
    before = small_net.eval()(IMAGES)
    FlatParameters(small_net)
    FlatBuffers(small_net)
    assert torch.equal(small_net(IMAGES), before)


def test_channels_last_weights_keep_their_values(small_net):
    small_net.to(memory_format=torch.channels_last)
    before = small_net[0].weight.detach().clone()
    FlatParameters(small_net)
    assert torch.equal(small_net[0].weight.detach(), before)


def test_parameters_are_views_of_one_vector(small_net):
    flat = FlatParameters(small_net)
    assert flat.values.numel() == 2 * 3 * 9 + 3 * 4 + 4 + 2 * 3 + 2 * 3
    flat.values.fill_(7.0)
    assert all((parameter == 7).all() for parameter in small_net.parameters())


def test_a_backward_pass_fills_the_vector_of_gradients(small_net):
    plain = copy.deepcopy(small_net)
    flat = FlatParameters(small_net)
    for net in (plain, small_net):
        net(IMAGES).square().sum().backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in plain.parameters()])
    torch.testing.assert_close(flat.gradients, expected)
    assert flat.values.grad is flat.gradients


def test_parameters_that_are_not_trained_are_left_out(small_net):
    small_net[0].requires_grad_(False)
    assert FlatParameters(small_net).values.numel() == 3 * 4 + 4 + 2 * 3 + 2 * 3


def test_shared_parameters_stay_shared():
    layer = nn.Conv2d(2, 2, 1, bias=False)
    flat = FlatParameters(nn.Sequential(layer, nn.ReLU(), layer))
    assert flat.values.numel() == 4


def test_a_module_without_trainable_parameters_is_refused():
    with pytest.raises(ValueError, match="no trainable parameter"):
        FlatParameters(nn.ReLU())


def test_buffers_are_views_of_one_vector_but_for_counters(small_net):
    flat = FlatBuffers(small_net)
    assert flat.values.numel() == 4 * 3
    flat.values.fill_(3.0)
    assert (small_net[1].running_mean == 3).all()
    assert (small_net[3].running_var == 3).all()
    assert small_net[1].num_batches_tracked.item() == 0


def test_several_batch_norms_of_one_graph_update_their_statistics():
    net = nn.Sequential(*(nn.BatchNorm2d(2) for _ in range(3)))
    plain = copy.deepcopy(net)
    flat = FlatBuffers(net)
    for module in (plain, net):
        images = IMAGES.clone().requires_grad_()
        (module(images) + module(2 * images)).square().sum().backward()
        assert images.grad.isfinite().all()
    expected = torch.cat([b.flatten() for b in plain.buffers() if b.is_floating_point()])
    assert torch.equal(flat.values, expected)
    assert net[2].num_batches_tracked.item() == 2


def test_statistics_updated_by_hand_do_not_spoil_the_graph_of_others():
    # As plain views of one vector they would share a version counter, and the backward pass
    # would take the update of one for a change of the others.
    net = nn.ModuleList(nn.BatchNorm2d(2) for _ in range(2))
    flat = FlatBuffers(net)
    images = IMAGES.clone().requires_grad_()
    values = net[0](images)
    net[1].running_mean.lerp_(torch.ones(2), 0.25)
    values.square().sum().backward()
    assert images.grad.isfinite().all()
    assert flat.values.view(4, 2)[2].tolist() == [0.25, 0.25]


def test_a_module_without_buffers_has_an_empty_vector():
    assert FlatBuffers(nn.Conv2d(2, 2, 1)).values.shape == (0,)
