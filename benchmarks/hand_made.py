"""Small segmentation networks that people designed, to compare searched ones with.

Each function is a network of its own for `nas train`:

    nas train --task docs/tasks/camvid.yaml --data CAMVID --model benchmarks/hand_made.py:enet

All take normalised images N x 3 x H x W of any size and give logits of that size.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v3_small
from torchvision.models.segmentation import LRASPP

import search_spaces
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.segmentation import SegmentationNetwork
from search_spaces.space import DecoderSpace

_STRIDE = 8
"""Of ENet's coarsest maps; its unpooling needs sizes that halve without a remainder."""
_ARCH0 = "[[8,[0,0,5,2],[0,2,8,8],[0,5,1,4]],[[3,3],[3,2],[3,0]]]"


def enet(num_classes: int) -> nn.Module:
    """ENet (Paszke et al., 2016, https://arxiv.org/abs/1606.02147)."""
    return ENet(num_classes)


def lraspp_small(num_classes: int) -> nn.Module:
    """Lite R-ASPP on MobileNetV3-Small with half the channels in its last block.

    Howard et al., Searching for MobileNetV3, 2019, https://arxiv.org/abs/1905.02244, table 8; the
    head is torchvision's.
    """
    return Lraspp(num_classes, width=1.0)


def lraspp_tiny(num_classes: int) -> nn.Module:
    """The same at half the width of the backbone."""
    return Lraspp(num_classes, width=0.5)


def arch0(num_classes: int, weights: str = "none") -> nn.Module:
    """The decoder that FastNAS was published with, behind MobileNetV2.

    Nekrasov et al., CVPR 2019, https://arxiv.org/abs/1810.10804. Its auxiliary heads, which a
    network of one's own has no place for, are left out.

    Args:
        num_classes: Number of classes.
        weights: Those of the encoder: none, imagenet, or a file.
    """
    space = search_spaces.create("fastnas", width=64, repeats=2, auxiliary="none")
    assert isinstance(space, DecoderSpace)
    encoder = Encoder(
        EncoderSettings(name="mobilenetv2_100", weights=weights, options={"pad_type": "same"})
    )
    decoder = space.build(
        space.parse(_ARCH0),
        encoder_channels=encoder.channels,
        encoder_strides=encoder.strides,
        num_classes=num_classes,
    )
    return SegmentationNetwork(encoder, decoder)


class Lraspp(nn.Module):
    """Lite R-ASPP with a backbone that is cut at stride 16 by dilation.

    Args:
        num_classes: Number of classes.
        width: Factor of the channels of the backbone.
    """

    def __init__(self, num_classes: int, width: float):
        super().__init__()
        backbone = mobilenet_v3_small(
            weights=None, width_mult=width, reduced_tail=True, dilated=True
        )
        layers = backbone.features
        # The first layer and the blocks that halve the size, as torchvision marks them; the fourth
        # from the end, at stride 8, is what the head takes beside the last layer.
        halving = [0, *(i for i, layer in enumerate(layers) if getattr(layer, "_is_cn", False))]
        low = [*halving, len(layers) - 1][-4]
        maps = TwoMaps(layers[: low + 1], layers[low + 1 :])
        with torch.no_grad():
            found = maps.eval()(torch.zeros(1, 3, 64, 64))
        channels = found["low"].shape[1], found["high"].shape[1]
        self.network = LRASPP(maps.train(), *channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes x H x W."""
        return cast(Tensor, self.network(images)["out"])


class TwoMaps(nn.Module):
    """A backbone in two parts, whose outputs are both wanted."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The maps by the names that torchvision's head knows."""
        low = self.first(images)
        return OrderedDict(low=low, high=self.second(low))


class ENet(nn.Module):
    """Layers as in the paper's table 1; images are padded to a multiple of 8 and logits cut."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.initial = Initial()
        self.down1 = Down(16, 64, dropout=0.01)
        self.stage1 = nn.Sequential(*(Bottleneck(64, dropout=0.01) for _ in range(4)))
        self.down2 = Down(64, 128)
        self.stage2 = nn.Sequential(*_section())
        self.stage3 = nn.Sequential(*_section())
        self.up4 = Up(128, 64)
        self.stage4 = nn.Sequential(*(Bottleneck(64, act=nn.ReLU) for _ in range(2)))
        self.up5 = Up(64, 16)
        self.stage5 = Bottleneck(16, act=nn.ReLU)
        self.classifier = nn.ConvTranspose2d(
            16, num_classes, 3, stride=2, padding=1, output_padding=1, bias=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes x H x W."""
        height, width = images.shape[-2:]
        x = functional.pad(images, (0, -width % _STRIDE, 0, -height % _STRIDE))
        x, first = self.down1(self.initial(x))
        x, second = self.down2(self.stage1(x))
        x = self.stage3(self.stage2(x))
        x = self.stage4(self.up4(x, second))
        x = self.stage5(self.up5(x, first))
        return cast(Tensor, self.classifier(x)[..., :height, :width])


class Initial(nn.Module):
    """13 maps of a strided convolution beside the 3 of a max-pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 13, 3, stride=2, padding=1, bias=False)
        self.after = nn.Sequential(nn.BatchNorm2d(16), nn.PReLU(16))

    def forward(self, x: Tensor) -> Tensor:
        return cast(
            Tensor, self.after(torch.cat([self.convolution(x), functional.max_pool2d(x, 2)], 1))
        )


class Bottleneck(nn.Module):
    """A residual block: project to a quarter, convolve, expand, drop maps.

    Args:
        channels: Of its input and output.
        dilation: Of the 3x3 convolution.
        asymmetric: Whether 5x1 and 1x5 convolutions take the place of the 3x3.
        dropout: Share of the maps that are dropped.
        act: Class of the activation; the paper's decoder has ReLU in place of PReLU.
    """

    def __init__(
        self,
        channels: int,
        dilation: int = 1,
        asymmetric: bool = False,
        dropout: float = 0.1,
        act: type[nn.Module] = nn.PReLU,
    ):
        super().__init__()
        inner = channels // 4
        middle: nn.Module
        if asymmetric:
            middle = nn.Sequential(
                nn.Conv2d(inner, inner, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(inner, inner, (1, 5), padding=(0, 2), bias=False),
            )
        else:
            middle = nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, bias=False)
        self.extension = nn.Sequential(
            *_activated(nn.Conv2d(channels, inner, 1, bias=False), inner, act),
            *_activated(middle, inner, act),
            *_expansion(inner, channels, dropout),
        )
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.act(x + self.extension(x)))


class Down(nn.Module):
    """A block that halves the size and tells where each maximum was."""

    def __init__(self, inputs: int, outputs: int, dropout: float = 0.1):
        super().__init__()
        inner = inputs // 4
        self.added = outputs - inputs
        self.extension = nn.Sequential(
            *_activated(nn.Conv2d(inputs, inner, 2, stride=2, bias=False), inner, nn.PReLU),
            *_activated(nn.Conv2d(inner, inner, 3, padding=1, bias=False), inner, nn.PReLU),
            *_expansion(inner, outputs, dropout),
        )
        self.act = nn.PReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The maps, and where the maxima of the input were: true there."""
        pooled = functional.max_pool2d(x, 2)
        places = x == functional.interpolate(pooled, scale_factor=2.0)
        widened = functional.pad(pooled, (0, 0, 0, 0, 0, self.added))
        return self.act(widened + self.extension(x)), places


class Up(nn.Module):
    """A block that doubles the size and puts values where the maxima were."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        inner = inputs // 4
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        doubling = nn.ConvTranspose2d(
            inner, inner, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        self.extension = nn.Sequential(
            *_activated(nn.Conv2d(inputs, inner, 1, bias=False), inner, nn.ReLU),
            *_activated(doubling, inner, nn.ReLU),
            *_expansion(inner, outputs, 0.1),
        )
        self.act = nn.ReLU()

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Maps of twice the size, for the places of the maxima at that size.

        Max-unpooling, written so that it can be exported; a maximum that occurs twice counts twice.
        """
        unpooled = functional.interpolate(self.main(x), scale_factor=2.0) * places
        return cast(Tensor, self.act(unpooled + self.extension(x)))


def _section() -> list[nn.Module]:
    return [
        Bottleneck(128),
        Bottleneck(128, dilation=2),
        Bottleneck(128, asymmetric=True),
        Bottleneck(128, dilation=4),
        Bottleneck(128),
        Bottleneck(128, dilation=8),
        Bottleneck(128, asymmetric=True),
        Bottleneck(128, dilation=16),
    ]


def _activated(convolution: nn.Module, channels: int, act: type[nn.Module]) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(channels), act()]


def _expansion(inner: int, channels: int, dropout: float) -> list[nn.Module]:
    return [
        nn.Conv2d(inner, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.Dropout2d(dropout),
    ]
