from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import search_spaces
from search_spaces import SpaceError
from search_spaces.fastnas.convolution import CroppedConv2d

CHANNELS, STRIDES, CLASSES = (3, 4, 5, 6), (4, 8, 16, 32), 7
ARCH0 = "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]"
ZERO = "[[10,[0,0,10,10],[0,0,10,10],[0,0,10,10]],[[3,3],[3,2],[3,1]]]"

SMALL = {"branches": 2, "cells": 2, "width": 4, "auxiliary": "none"}


def build(text=ARCH0, **options):
    space = search_spaces.create("fastnas", **{"width": 8} | options)
    return space.build(
        space.parse(text), encoder_channels=CHANNELS, encoder_strides=STRIDES, num_classes=CLASSES
    )


def features(images=2, size=64, **options):
    return [
        torch.randn(images, c, size // s, size // s, **options)
        for c, s in zip(CHANNELS, STRIDES, strict=True)
    ]


@pytest.mark.parametrize(
    ("blocks", "stride"),
    [("[[3,3],[3,2],[3,0]]", 4), ("[[3,3],[3,2],[3,1]]", 8), ("[[0,3],[3,2],[4,5]]", 4)],
)
@pytest.mark.parametrize("cell", ["[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]]", ZERO[1:-21]])
def test_logits_have_the_finest_stride_that_is_collected(cell, blocks, stride):
    decoder = build(f"[{cell},{blocks}]")
    assert decoder.stride == stride
    assert decoder(features()).shape == (2, CLASSES, 64 // stride, 64 // stride)


def test_resolution_follows_the_strides_not_the_order():
    space = search_spaces.create("fastnas", branches=1, cells=1, width=4, encoder_outputs=2)
    decoder = space.build(
        space.parse("[[0],[[0,1]]]"), encoder_channels=(3, 4), encoder_strides=(8, 4), num_classes=2
    )
    assert decoder.stride == 4
    assert decoder([torch.randn(2, 3, 5, 5), torch.randn(2, 4, 9, 10)]).shape == (2, 2, 9, 10)


@pytest.mark.parametrize("text", [ARCH0, ZERO])
def test_auxiliary_logits_have_the_resolution_of_their_block(text):
    blocks = {ARCH0: [2, 4, 16], ZERO: [2, 4, 8]}[text]
    for auxiliary in ("cell", "classifier"):
        _, heads = build(text, auxiliary=auxiliary).forward_with_auxiliary(features())
        assert [head.shape for head in heads] == [(2, CLASSES, side, side) for side in blocks]


def test_without_auxiliary_heads_their_list_is_empty():
    logits, heads = build(auxiliary="none").forward_with_auxiliary(features())
    assert logits.shape == (2, CLASSES, 16, 16)
    assert heads == []


def test_removed_auxiliary_heads_leave_the_logits():
    with_heads, inputs = build().eval(), features()
    before = with_heads(inputs)
    parameters = sum(p.numel() for p in with_heads.parameters())
    with_heads.remove_auxiliary()
    assert sum(p.numel() for p in with_heads.parameters()) < parameters
    torch.testing.assert_close(with_heads(inputs), before, rtol=0, atol=0)
    assert with_heads.forward_with_auxiliary(inputs)[1] == []


def test_global_seed_decides_the_weights():
    torch.manual_seed(1)
    first = build().state_dict()
    torch.manual_seed(1)
    second = build().state_dict()
    torch.manual_seed(2)
    third = build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["classifier.conv.weight"], third["classifier.conv.weight"])


def test_initial_weights():
    decoder = build(width=64)
    for part in decoder.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert bool((part.weight == 1).all() and (part.bias == 0).all())
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            assert bool((part.bias == 0).all())
    weight = decoder.blocks[0].cells[0].operations["node1_op1"].conv.weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_only_classifiers_have_a_bias():
    biased = {
        name.rpartition(".")[0]
        for name, part in build().named_modules()
        if isinstance(part, nn.Conv2d) and part.bias is not None
    }
    assert biased == {"classifier", *(f"auxiliary_heads.{k}.1" for k in range(3))}


def test_channels_last_gives_the_same_logits_and_stays_so():
    torch.manual_seed(0)
    decoder, inputs = build().eval(), features(size=128)
    expected = decoder(inputs)
    decoder = decoder.to(memory_format=torch.channels_last)
    logits = decoder([x.contiguous(memory_format=torch.channels_last) for x in inputs])
    assert logits.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_batch_norm_of_a_constant_keeps_the_type():
    decoder = build("[[4,[1,1,0,0],[4,4,2,9],[0,0,10,10]],[[3,2],[3,2],[3,2]]]").bfloat16()
    logits = decoder(features(dtype=torch.bfloat16))
    assert logits.dtype == torch.bfloat16
    assert bool(logits.isfinite().all())


def test_single_image_can_be_trained_on_where_no_map_is_a_pixel():
    text = "[[0,[0,1,1,3],[0,2,8,8],[0,5,1,9]],[[3,3],[3,2],[3,0]]]"
    build(text)(features(images=1)).sum().backward()


@pytest.mark.parametrize(
    ("text", "size"),
    [(ARCH0, 64), ("[[0,[0,1,1,3],[0,2,8,8],[0,5,1,9]],[[3,3],[3,2],[3,0]]]", 32)],
)
def test_single_pixel_cannot_be_normalised_in_training(text, size):
    decoder = build(text)
    with pytest.raises(ValueError, match="batches of at least 2 images"):
        decoder(features(images=1, size=size))
    assert decoder.eval()(features(images=1, size=size)).shape[0] == 1


def test_wrong_number_of_features_is_refused():
    with pytest.raises(ValueError, match="needs 4 encoder outputs, not 3"):
        build()(features()[:3])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"encoder_channels": (3, 4)}, "encoder_channels needs 4 numbers"),
        ({"encoder_strides": (4, 8, 16, 0)}, "every number of encoder_strides must be"),
        ({"num_classes": 0}, "num_classes must be"),
    ],
)
def test_wrong_build_arguments_are_refused(wrong, message):
    space = search_spaces.create("fastnas")
    right = {"encoder_channels": CHANNELS, "encoder_strides": STRIDES, "num_classes": 2}
    with pytest.raises(SpaceError, match=message):
        space.build(space.parse(ARCH0), **right | wrong)


def test_nothing_is_built_for_what_cannot_contribute():
    decoder = build("[[1,[1,0,10,2],[0,0,9,9],[2,0,3,10]],[[0,3],[3,3],[3,0]]]")
    assert list(decoder.blocks[0].cells[0].operations) == ["node1_op2"]
    assert list(decoder.adapters) == ["0", "3"]


def test_operations_that_only_dead_operations_read_are_not_built():
    decoder = build("[[1,[1,0,0,0],[4,0,10,2]],[[0,3]]]", branches=3, cells=1)
    assert list(decoder.blocks[0].cells[0].operations) == ["node2_op2"]


def test_zero_decoder_learns_its_bias_alone():
    decoder = build(ZERO, auxiliary="none")
    decoder(features()).sum().backward()
    gradients = {name: p.grad.tolist() for name, p in decoder.named_parameters()}
    assert gradients == {"classifier.bias": [2.0 * 8 * 8] * CLASSES}


@pytest.mark.parametrize(
    ("kernel", "dilation", "height", "width", "taps"),
    [
        (3, 12, 8, 8, (1, 1)),
        (3, 12, 13, 12, (3, 1)),
        (3, 3, 4, 2, (3, 1)),
        (5, 6, 16, 8, (5, 3)),
        (3, 1, 1, 1, (1, 1)),
        (5, 6, 30, 30, (5, 5)),
    ],
)
@pytest.mark.parametrize("groups", [1, 6])
def test_cropped_convolution_equals_the_whole_one(kernel, dilation, height, width, taps, groups):
    conv = CroppedConv2d(6, 6, kernel, dilation, groups=groups).double()
    inputs = torch.randn(2, 6, height, width, dtype=torch.float64, requires_grad=True)
    padding = dilation * (kernel // 2)
    expected = F.conv2d(inputs, conv.weight, None, 1, padding, dilation, groups)
    weights = torch.randn_like(expected)
    reference = torch.autograd.grad((expected * weights).sum(), (inputs, conv.weight))
    output = conv(inputs)
    gradients = torch.autograd.grad((output * weights).sum(), (inputs, conv.weight))
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(gradients, reference)
    with FlopCounterMode(display=False) as counter:
        conv(inputs.detach())
    macs = 2 * 6 * (6 // groups) * height * width * taps[0] * taps[1]
    assert counter.get_total_flops() == 2 * macs


def test_operations_are_counted_on_the_meta_device():
    decoder = build("[[10,[0,0,6,10],[0,0,10,10],[0,0,10,10]],[[3,3],[3,3],[3,3]]]").to("meta")
    decoder.remove_auxiliary()
    with FlopCounterMode(display=False) as counter:
        decoder.eval()(features(images=1, device="meta"))
    pixels, width = 2 * 2, 8
    adapter = pixels * CHANNELS[3] * width
    block = 2 * pixels * (width**2 + width**2)  # only the centre tap of the dilated kernel acts
    head = pixels * (3 * width * width + 9 * width * CLASSES)
    assert counter.get_total_flops() == 2 * (adapter + 3 * block + head)


def test_zero_decoder_has_no_operations_to_count():
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(ZERO)(features())
    assert counter.get_total_flops() == 0


@pytest.mark.parametrize(
    "genotype", ["[[4,[1,0,0,8]],[[3,2],[0,4]]]", "[[10,[0,0,10,10]],[[3,2],[3,1]]]"]
)
def test_exported_program_gives_the_same_logits(genotype):
    decoder, inputs = build(genotype, **SMALL).eval(), features(images=1)
    program = torch.export.export(decoder, (inputs,))
    torch.testing.assert_close(program.module()(inputs), decoder(inputs), rtol=1e-4, atol=1e-5)


def test_onnx_model_gives_the_same_logits(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    decoder = build("[[4,[1,0,0,8]],[[3,2],[0,4]]]", **SMALL).eval()
    inputs, path = features(images=1), tmp_path / "decoder.onnx"
    torch.onnx.export(decoder, (inputs,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    known = {f"features_{index}": x.numpy() for index, x in enumerate(inputs)}
    feed = {entry.name: known[entry.name] for entry in session.get_inputs()}
    (logits,) = session.run(None, feed)
    torch.testing.assert_close(torch.from_numpy(logits), decoder(inputs), rtol=1e-4, atol=1e-4)


def test_random_genotypes_train():
    rng = random.Random(0)
    space = search_spaces.create("fastnas", width=4, branches=5, cells=4)
    for _ in range(5):
        decoder = space.build(
            space.sample(rng), encoder_channels=CHANNELS, encoder_strides=STRIDES, num_classes=2
        )
        logits, heads = decoder.forward_with_auxiliary(features())
        sum(output.square().mean() for output in (logits, *heads)).backward()
        used = [p.grad for p in decoder.parameters()]
        assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in used)
