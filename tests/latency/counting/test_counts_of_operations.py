"""Multiply-accumulates of operations, derived by hand for a map of 8 channels and 6x10 pixels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latency import count

SHAPE = (1, 8, 6, 10)
PIXELS = 60
HEADS, DEPTH = 2, 4
ATTENTION = 2 * HEADS * PIXELS * PIXELS * DEPTH
PROJECTIONS = PIXELS * 8 * (3 * 8) + PIXELS * 8 * 8


class Layer(nn.Module):
    """A function of an image and, if there is one, of a module."""

    def __init__(self, function: Callable[..., Tensor], module: nn.Module | None = None) -> None:
        super().__init__()
        self.function = function
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        return self.function(image, self.module) if self.module else self.function(image)


def tokens(image: Tensor) -> Tensor:
    """Pixels as a sequence, N x pixels x channels."""
    return image.flatten(2).mT


def heads(image: Tensor) -> Tensor:
    return tokens(image).view(1, PIXELS, HEADS, DEPTH).transpose(1, 2)


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda x: F.conv2d(x, torch.zeros(5, 8, 3, 3), padding=1), 5 * 8 * 9 * PIXELS),
        (lambda x: F.conv2d(x, torch.zeros(4, 2, 3, 3), groups=4), 4 * 2 * 9 * 4 * 8),
        (lambda x: F.conv2d(x, torch.zeros(8, 1, 5, 5), padding=2, groups=8), 8 * 25 * PIXELS),
        (lambda x: F.conv2d(x, torch.zeros(5, 8, 3, 3), dilation=2), 5 * 8 * 9 * 2 * 6),
        (lambda x: F.conv2d(x, torch.zeros(5, 8, 3, 3), stride=2, padding=1), 5 * 8 * 9 * 3 * 5),
        (lambda x: F.conv2d(x, torch.zeros(9, 8, 3, 3)[:5, :, 1:2, :]), 5 * 8 * 3 * 6 * 8),
        (lambda x: F.conv2d(x[0], torch.zeros(5, 8, 1, 1)), 5 * 8 * PIXELS),
        (lambda x: F.conv1d(x.flatten(2), torch.zeros(5, 8, 3)), 5 * 8 * 3 * 58),
        (lambda x: F.conv3d(x[:, None], torch.zeros(5, 1, 3, 3, 3)), 5 * 27 * 6 * 4 * 8),
        (lambda x: F.conv_transpose2d(x, torch.zeros(8, 5, 3, 3)), 8 * 5 * 9 * PIXELS),
        (lambda x: F.conv_transpose2d(x, torch.zeros(8, 2, 4, 4), None, 2, 1), 8 * 2 * 16 * PIXELS),
        (
            lambda x: F.conv_transpose2d(x, torch.zeros(8, 2, 3, 3), groups=2, dilation=2),
            8 * 2 * 9 * PIXELS,
        ),
        (lambda x: F.linear(x, torch.zeros(7, 10)), 8 * 6 * 10 * 7),
        (lambda x: x @ torch.zeros(10, 3), 8 * 6 * 10 * 3),
        (lambda x: torch.bmm(x[0], x[0].mT), 8 * 6 * 10 * 6),
        (lambda x: torch.baddbmm(torch.zeros(8, 6, 6), x[0], x[0].mT), 8 * 6 * 10 * 6),
        (lambda x: torch.einsum("nchw,kc->nkhw", x, torch.zeros(5, 8)), 5 * 8 * PIXELS),
        (lambda x: torch.tensordot(x, torch.zeros(8, 3), dims=([1], [0])), 8 * 3 * PIXELS),
        (lambda x: x.flatten() @ torch.zeros(480), 480),
        (lambda x: x.view(8, 60) @ torch.zeros(60), 480),
        (lambda x: torch.zeros(3, 72) @ F.unfold(x, 3), 3 * 72 * 4 * 8),
        (lambda x: F.scaled_dot_product_attention(heads(x), heads(x), heads(x)), ATTENTION),
        (
            lambda x: F.scaled_dot_product_attention(
                heads(x), heads(x), heads(x), attn_mask=torch.zeros(PIXELS, PIXELS)
            ),
            ATTENTION,
        ),
        (
            lambda x: F.scaled_dot_product_attention(
                heads(x), heads(x)[:, :1], heads(x)[:, :1], enable_gqa=True
            ),
            ATTENTION,
        ),
        (lambda x: F.max_pool2d(F.avg_pool2d(x, 2), 2) + F.adaptive_avg_pool2d(x, 1), 0),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), 0),
        (lambda x: F.interpolate(x, size=(5, 7)), 0),
        (lambda x: F.layer_norm(F.softmax(F.silu(x), dim=1), (6, 10)), 0),
        (lambda x: torch.cat([x + 1, x * 2, x.mean((2, 3), keepdim=True).expand_as(x)], dim=1), 0),
    ],
)
def test_functions(function, macs):
    assert count(Layer(function), SHAPE).macs == macs


@pytest.mark.parametrize(
    ("module", "macs"),
    [
        (nn.ConvTranspose2d(8, 5, 3, stride=2, padding=1, output_padding=1), 8 * 5 * 9 * PIXELS),
        (nn.Conv2d(8, 5, 3, padding="same", dilation=3), 5 * 8 * 9 * PIXELS),
        (nn.Conv2d(8, 5, 3, padding=1, padding_mode="reflect"), 5 * 8 * 9 * PIXELS),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 5, 3)), 5 * 8 * 9 * 4 * 8),
        (nn.Sequential(nn.Upsample(scale_factor=2), nn.AvgPool2d(2), nn.Dropout()), 0),
    ],
)
def test_modules(module, macs):
    assert count(Layer(lambda x, layer: layer(x), module), SHAPE).macs == macs


@pytest.mark.parametrize(
    ("attend", "module", "macs"),
    [
        (
            lambda x, m: m(x, x, x)[0],
            nn.MultiheadAttention(8, HEADS, batch_first=True),
            PROJECTIONS + ATTENTION,
        ),
        (
            lambda x, m: m(x, x, x, need_weights=False)[0],
            nn.MultiheadAttention(8, HEADS, batch_first=True),
            PROJECTIONS + ATTENTION,
        ),
        (
            lambda x, m: m(x),
            nn.TransformerEncoderLayer(8, HEADS, 16, batch_first=True),
            PROJECTIONS + ATTENTION + 2 * PIXELS * 8 * 16,
        ),
        (lambda x, m: m(x)[0], nn.LSTM(8, 5, batch_first=True), PIXELS * 4 * (8 * 5 + 5 * 5)),
        (lambda x, m: m(x)[0], nn.GRU(8, 5, batch_first=True), PIXELS * 3 * (8 * 5 + 5 * 5)),
    ],
    ids=["attention", "attention without weights", "transformer layer", "lstm", "gru"],
)
def test_sequences(attend, module, macs):
    assert count(Layer(lambda x, layer: attend(tokens(x), layer), module), SHAPE).macs == macs
