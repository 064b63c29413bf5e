"""Pre-trained backbones from timm that give maps at several strides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas import vision_libraries
from nas.errors import UserError
from nas.models.first_blocks import FirstBlocks, split_name
from nas.models.image_channels import channels_option, fitted_to_channels
from nas.models.own import create_own, is_own
from nas.models.timm_errors import refused_by_timm
from nas.models.timm_options import check_options
from nas.models.weights import load_tensors, read_tensors
from nas.settings import Settings

IMAGENET = "imagenet"
TASK = "task"
NONE = "none"
_BACKBONE = "encoder.backbone."
STRIDES = (4, 8, 16, 32)
"""Strides of the maps that an encoder gives unless told otherwise."""


class EncoderSettings(Settings):
    """Which backbone, and with which weights.

    Attributes:
        name: A timm model that has ``features_only``, its first blocks alone (see
            `nas.models.first_blocks`), or a backbone of one's own; see `nas.models.own`.
        weights: ``task`` (pre-trained on the task before the search), ``imagenet`` (timm's hub),
            ``none`` (random), or the path of a safetensors file with timm's key names.
        options: Further arguments of ``timm.create_model``, for example ``pad_type: same``.
    """

    name: str = "mobilenetv2_100"
    weights: str = TASK
    options: dict[str, Any] = {}


def without_hub(settings: EncoderSettings) -> EncoderSettings:
    """The same backbone, its weights random where they would come from timm's hub."""
    if settings.weights != IMAGENET:
        return settings
    return settings.model_copy(update={"weights": NONE})


def untrained_encoder(
    settings: EncoderSettings, strides: tuple[int, ...] = STRIDES, in_channels: int = 3
) -> Encoder:
    """The encoder with random weights, which change no cost; see `Encoder`."""
    return Encoder(settings.model_copy(update={"weights": NONE}), strides, in_channels)


class Encoder(nn.Module):
    """A backbone that gives one map per stride, the finest first.

    Args:
        settings: Name and options of the backbone. Its weights stay random here, unless they
            are `imagenet` or a file.
        strides: Which strides to give.
        in_channels: Channels of the images. Weights for three channels are fitted to others as
            timm does: summed for one, repeated and scaled for more.

    Attributes:
        channels: Channels of each map.
        strides: Stride of each map, in input pixels.

    Raises:
        UserError: If timm has no such model, it lacks a stride, or the weights do not fit.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        strides: tuple[int, ...] = STRIDES,
        in_channels: int = 3,
    ):
        super().__init__()
        self.backbone = _create(settings, in_channels)
        tells = isinstance(self.backbone, FirstBlocks) or is_own(settings.name)
        available = _strides(self.backbone, settings.name, tells)
        missing = [stride for stride in strides if stride not in available]
        if missing:
            raise UserError(
                f"encoder {settings.name!r} gives strides {available}, but {missing} are needed."
            )
        self._indices = [available.index(stride) for stride in strides]
        maps = max(self._indices) + 1
        # What lies behind the last map that is asked for is not built.
        if isinstance(self.backbone, FirstBlocks):
            self.backbone.shorten(maps)
        elif maps < len(available) and not tells:
            kept = tuple(range(maps))
            self.backbone = _without_tail(_create(settings, in_channels, out_indices=kept))
        info: Any = self.backbone
        channels = info.channels if tells else info.feature_info.channels()
        self.channels: tuple[int, ...] = tuple(channels[index] for index in self._indices)
        self.strides: tuple[int, ...] = tuple(strides)
        # Two backbones of the same weights differ where, for example, their padding does.
        self._structure = f"{settings.name}{settings.options}{self.strides}"
        self._settings, self._in_channels = settings, in_channels
        if settings.weights not in (TASK, NONE, IMAGENET):
            load_backbone(self.backbone, Path(settings.weights))

    def cut(self, strides: tuple[int, ...]) -> Encoder:
        """The encoder with the same weights, as far as some of its maps need it."""
        if strides == self.strides:
            return self
        found = untrained_encoder(self._settings, strides, self._in_channels)
        load_tensors(found.backbone, self.backbone.state_dict(), f"encoder {self._settings.name}")
        device = next((parameter.device for parameter in self.parameters()), torch.device("cpu"))
        return found.to(device).train(self.training)

    @property
    def fingerprint(self) -> str:
        """Changes with any weight and with whatever decides how the weights are used."""
        return f"{self._structure}{fingerprint(self.state_dict())}"

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of normalised images N x C x H x W, the finest first."""
        maps = self.backbone(images)
        return [maps[index] for index in self._indices]


def _strides(backbone: nn.Module, name: str, tells: bool) -> list[int]:
    """The strides of the maps that a backbone gives, which it tells itself or timm does."""
    known: Any = backbone
    if not tells:
        return list(known.feature_info.reduction())
    if not (hasattr(known, "channels") and hasattr(known, "strides")):
        raise UserError(
            f"encoder {name!r}: a backbone of your own needs the attributes channels and strides, "
            "one number for each map that it gives."
        )
    return list(known.strides)


def _without_tail(backbone: nn.Module) -> nn.Module:
    """Drops the stages behind the last map, which timm keeps in some families."""
    info: Any = backbone.feature_info
    path, _, number = info.module_name()[-1].rpartition(".")
    stages = dict(backbone.named_modules()).get(path)
    if isinstance(stages, nn.Sequential) and number.isdecimal():
        del stages[int(number) + 1 :]
    return backbone


def load_backbone(backbone: nn.Module, path: Path) -> None:
    """Loads weights by timm's key names; keys of a classifier head are passed over.

    Of a segmentation network of this toolkit, those of its backbone are taken. Weights for three
    channels are fitted to a backbone that takes others.

    Raises:
        UserError: If the file cannot be read or lacks weights of the backbone.
    """
    tensors = read_tensors(path, "encoder")
    within = {
        key.removeprefix(_BACKBONE): tensor
        for key, tensor in tensors.items()
        if key.startswith(_BACKBONE)
    }
    found = fitted_to_channels(within or tensors, backbone)
    load_tensors(backbone, found, f"encoder weights {path}", "timm backbone")


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """A short text that changes with any weight or buffer of a state dictionary."""
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        digest.update(key.encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _create(settings: EncoderSettings, in_channels: int, **options: Any) -> nn.Module:
    if is_own(settings.name):
        return create_own(settings.name, in_channels=in_channels, **settings.options)
    encoder = f"encoder {settings.name!r}"
    check_options(settings.options, encoder)
    name, cut = split_name(settings.name)
    pretrained = settings.weights == IMAGENET
    whole = {"features_only": True} if cut is None else {"num_classes": 0}
    with refused_by_timm(encoder, pretrained):
        backbone: nn.Module = vision_libraries.timm.create_model(
            name,
            pretrained=pretrained,
            **{**whole, **settings.options, **channels_option(in_channels), **options},
        )
    return backbone if cut is None else FirstBlocks(backbone, cut, in_channels, encoder)
