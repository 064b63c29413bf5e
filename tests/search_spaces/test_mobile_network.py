from __future__ import annotations

import random

import pytest
import torch
from torch import nn

import search_spaces
from latency import check_onnx, export_onnx
from nas.distillation.places import survey
from search_spaces import SpaceError

TINY = search_spaces.presets("mobile")["tiny"]
PLAIN = "[[3,2,2,16,0],[5,3,1,32,0],[3,4,2,64,0]]"
SQUEEZED = "[[7,2,2,16,1],[5,3,1,48,1],[3,4,2,64,1]]"


def build(text=SQUEEZED, in_channels=3, **options):
    space = search_spaces.create("mobile", **TINY | options)
    return space.build(space.parse(text), num_classes=7, in_channels=in_channels)


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 28, 28), (3, 33, 50), (3, 1, 1), (3, 224, 224)])
def test_images_of_any_size_give_logits(shape):
    network = build(in_channels=shape[0])
    assert network(torch.randn(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("activation", ["relu", "relu6", "hard_swish", "silu"])
def test_every_parameter_gets_a_gradient(activation):
    torch.manual_seed(0)
    network = build(activation=activation)
    network(torch.randn(8, 3, 16, 16)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.abs().sum() > 0), name


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("relu", nn.ReLU),
        ("relu6", nn.ReLU6),
        ("hard_swish", nn.Hardswish),
        ("silu", nn.SiLU),
    ],
)
def test_the_activation_is_the_one_asked_for(name, module):
    kinds = {type(part) for part in build(activation=name).modules()}
    others = {nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU} - {module}
    assert module in kinds
    assert not kinds & others


def test_inputs_are_added_where_shapes_agree():
    network = build("[[3,2,2,8,0],[3,3,2,32,0],[3,4,1,64,0]]", strides=[1, 1, 2, 2])
    residual = [
        (name, part.is_residual) for name, part in network.named_modules() if is_block(part)
    ]
    assert residual == [
        ("first", False),
        ("stage1.0", True),  # 8 channels in, 8 out, stride 1
        ("stage1.1", True),
        ("stage2.0", False),
        ("stage2.1", True),
        ("stage3.0", False),
    ]
    block = network.stage1[0].eval()
    maps = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(block(maps), maps + block.branch(maps))


def is_block(part):
    return hasattr(part, "is_residual")


def test_squeeze_and_excitation_scales_channels():
    network = build().eval()
    scaling = network.stage1[0].branch.squeeze_excitation
    nn.init.zeros_(scaling.excite.weight)
    nn.init.zeros_(scaling.excite.bias)
    maps = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(scaling(maps), maps / 2)  # the sigmoid of 0


@pytest.mark.parametrize("text", [PLAIN, SQUEEZED])
def test_distillation_finds_a_map_at_every_stride_and_the_vector(text):
    places = survey(build(text), (1, 3, 32, 32))
    assert places.strides == {1: "first", 2: "stage1", 4: "stage2", 8: "head"}
    assert places.find("penultimate") in ("pool", "flatten")
    widths = [place_width(places, f"stride={stride}") for stride in (2, 4)]
    assert widths == [16, 32 if text == PLAIN else 48]


def place_width(places, place):
    return places.shape(places.find(place))[1]


def test_no_activation_changes_what_a_tap_holds():
    network = build(PLAIN).eval()
    held = {}
    for name, part in network.named_modules():
        part.register_forward_hook(
            lambda module, inputs, output, name=name: held.update({name: (output, output.clone())})
        )
    network(torch.randn(2, 3, 16, 16))
    assert len(held) > 40
    assert all(torch.equal(output, copy) for output, copy in held.values())


def test_channels_last_gives_the_same_logits():
    torch.manual_seed(1)
    network, images = build().eval(), torch.randn(2, 3, 28, 28)
    expected = network(images)
    network = network.to(memory_format=torch.channels_last)
    found = network(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_global_seed_decides_the_weights_and_the_logits():
    images = torch.randn(2, 3, 20, 20)

    def logits(seed):
        torch.manual_seed(seed)
        return build()(images)

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


def test_initial_weights():
    torch.manual_seed(0)
    network = build("[[7,2,2,16,1],[5,3,1,48,1],[3,4,2,96,1]]")
    depthwise = network.stage3[1].branch.depthwise.conv.weight
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    project = network.stage3[1].branch.project.conv.weight
    assert project.std().item() == pytest.approx((2 / 96) ** 0.5, rel=0.02)
    assert network.classifier.weight.std().item() == pytest.approx(0.01, rel=0.1)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert bool((part.weight == 1).all() and (part.bias == 0).all())
        elif getattr(part, "bias", None) is not None:
            assert bool((part.bias == 0).all())


@pytest.mark.parametrize(("text", "activation"), [(PLAIN, "relu6"), (SQUEEZED, "hard_swish")])
def test_onnx_file_gives_the_same_logits(tmp_path, text, activation):
    torch.manual_seed(2)
    network = build(text, activation=activation)
    with torch.no_grad():
        network(torch.randn(16, 3, 28, 28))  # batch norm with statistics that are not 0 and 1
    path = export_onnx(network, (1, 3, 28, 28), tmp_path / "network.onnx")
    assert check_onnx(network, path, (1, 3, 28, 28)) < 1e-4


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"num_classes": 2, "in_channels": 0}])
def test_wrong_build_arguments_are_refused(wrong):
    space = search_spaces.create("mobile", **TINY)
    with pytest.raises(SpaceError, match=f"{list(wrong)[-1]} must be a whole number"):
        space.build(space.parse(PLAIN), **wrong)


def test_random_candidates_learn():
    space = search_spaces.create("mobile", **TINY)
    rng = random.Random(3)
    torch.manual_seed(0)
    images, labels = torch.randn(16, 3, 12, 12), torch.arange(16) % 4
    for _ in range(2):
        network = space.build(space.sample(rng), num_classes=4)
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        losses = []
        for _ in range(8):
            loss = nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]


def test_graph_of_a_known_genotype():
    space = search_spaces.create("mobile", **TINY)
    graph = space.graph(space.parse("[[7,2,2,16,1],[5,3,1,32,0],[3,4,1,64,0]]"))
    assert graph.nodes == (
        "image", "stem", "first", "stage1.block1", "stage1.block2", "stage2.block1",
        "stage3.block1", "head", "logits",
    )  # fmt: skip
    arrows = [(edge.source, edge.target, edge.label) for edge in graph.edges]
    squeeze = "squeeze-and-excitation"
    assert arrows == [
        ("image", "stem", ""),
        ("stem", "first", ""),
        ("first", "stage1.block1", f"7×7, 16 to 16 channels, stride 2, {squeeze}"),
        ("stage1.block1", "stage1.block2", f"7×7, 32 to 16 channels, {squeeze}"),
        ("stage1.block1", "stage1.block2", "residual"),
        ("stage1.block2", "stage2.block1", "5×5, 48 to 32 channels, stride 2"),
        ("stage2.block1", "stage3.block1", "3×3, 128 to 64 channels, stride 2"),
        ("stage3.block1", "head", ""),
        ("head", "logits", ""),
    ]
