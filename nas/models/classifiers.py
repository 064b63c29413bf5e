"""Classification networks: any of timm's, and our own for small images."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas import vision_libraries
from nas.errors import UserError
from nas.models import small_images
from nas.models.encoder import IMAGENET, NONE
from nas.models.image_channels import channels_option, fitted_to_channels
from nas.models.network_settings import NetworkSettings
from nas.models.own import create_own, is_own
from nas.models.stems import Stem, find_stem
from nas.models.timm_errors import one_line, refused_by_timm
from nas.models.timm_options import check_options
from nas.models.weights import load_tensors, read_tensors

__all__ = [
    "IMAGENET",
    "NONE",
    "ClassifierSettings",
    "classifier_names",
    "create_classifier",
    "with_resolved_stem",
]

_SMALL_SIDE = 64


class ClassifierSettings(NetworkSettings):
    """Which network, and with which weights.

    Attributes:
        name: A timm model, or one of `nas.models.small_images.names()`, which come before timm's
            of the same name: ``vgg13`` is ours, ``vgg13.tv_in1k`` timm's; or a network of one's
            own, see `nas.models.own`.
        weights: ``none`` (random), ``imagenet`` (timm's hub), or the path of a safetensors file
            or a checkpoint (.pth) with the network's key names.
        options: Further arguments of ``timm.create_model``, for example ``pad_type: same``.
        stem: ``standard`` as timm makes it; ``small``: the first convolution has stride 1 and at
            most a 3x3 kernel, and no max-pool follows; ``auto``: small for images of up to 64
            pixels, where the stem is known and the weights fit it.
    """

    name: str = "mobilenetv2_100"
    weights: str = NONE
    options: dict[str, Any] = {}
    stem: Literal["auto", "standard", "small"] = "auto"

    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        bare = self.model_copy(update={"weights": NONE})
        return create_classifier(bare, num_classes, input_size, channels)

    def as_built(self, network: nn.Module) -> ClassifierSettings:
        """The settings with ``small`` or ``standard`` where the stem was left to ``auto``.

        What auto gave may have depended on the weights that training began with.
        """
        return with_resolved_stem(self, network)


def classifier_names() -> tuple[str, ...]:
    """Names of all networks: those for small images, then timm's."""
    own = small_images.names()
    return own + tuple(name for name in vision_libraries.timm.list_models() if name not in own)


def create_classifier(
    settings: ClassifierSettings,
    num_classes: int,
    input_size: tuple[int, int],
    in_channels: int = 3,
) -> nn.Module:
    """Creates a network that turns normalised images N x C x H x W into logits N x classes.

    Args:
        settings: Which network. The classifier of its weights is passed over if it has another
            number of classes.
        num_classes: Number of classes.
        input_size: Height and width of the images, in pixels.
        in_channels: Channels of the images. Weights for three channels are fitted to others as
            timm does: summed for one, repeated and scaled for more.

    Returns:
        The network in training mode.

    Raises:
        UserError: If there is no such network, an option, the stem or the input size does not
            suit it, or the weights do not fit or cannot be had.
    """
    if num_classes < 2:
        raise UserError(f"classifier {settings.name!r}: {num_classes} classes, but 2 are needed.")
    network: nn.Module
    found = None
    if settings.weights not in (IMAGENET, NONE):
        found = read_tensors(Path(settings.weights), "classifier")
    if is_own(settings.name):
        network = create_own(
            settings.name,
            num_classes=num_classes,
            in_channels=in_channels,
            input_size=input_size,
            **settings.options,
        )
    elif small_images.canonical_name(settings.name):
        network = _create_small(settings, num_classes, in_channels)
    else:
        network = _create_timm(settings, num_classes, input_size, in_channels)
        stem = find_stem(network)
        if _wants_small(settings, stem, input_size, found) and stem is not None:
            stem.make_small()
    if found is not None:
        _load(network, fitted_to_channels(found, network), settings.weights)
    _try_out(network, settings.name, num_classes, (in_channels, *input_size))
    return network


def with_resolved_stem(settings: ClassifierSettings, network: nn.Module) -> ClassifierSettings:
    """The settings with the stem that the network has, so that they build it without weights."""
    if is_own(settings.name) or small_images.canonical_name(settings.name):
        return settings
    stem = find_stem(network)
    small = stem is not None and stem.is_small
    return settings.model_copy(update={"stem": "small" if small else "standard"})


def _create_small(settings: ClassifierSettings, num_classes: int, in_channels: int) -> nn.Module:
    name = f"classifier {settings.name!r}"
    if settings.options:
        raise UserError(f"{name} takes no options, so {next(iter(settings.options))!r} must go.")
    if settings.stem == "standard":
        raise UserError(f"{name} is made for small images; use stem 'auto' or 'small'.")
    if settings.weights == IMAGENET:
        raise UserError(
            f"{name} is made for small images and has no ImageNet weights; use weights 'none' "
            "or a file."
        )
    return small_images.create(settings.name, num_classes, in_channels)


def _create_timm(
    settings: ClassifierSettings, num_classes: int, input_size: tuple[int, int], in_channels: int
) -> nn.Module:
    check_options(settings.options, f"classifier {settings.name!r}")
    name, options = settings.name, {**settings.options, **channels_option(in_channels)}
    if ":" not in name:  # timm's own prefix for networks on a hub or in a folder
        _check_name(name)
    pretrained = settings.weights == IMAGENET
    with refused_by_timm(f"classifier {name!r}", pretrained):
        config = vision_libraries.timm.get_pretrained_cfg(name)
        if config is not None and config.fixed_input_size:
            options.setdefault("img_size", input_size)
        network: nn.Module = vision_libraries.timm.create_model(
            name, pretrained=pretrained, num_classes=num_classes, **options
        )
    return network


def _check_name(name: str) -> None:
    if vision_libraries.timm.is_model(name):
        return
    nearest = difflib.get_close_matches(name, classifier_names(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, nearest))}?" if nearest else "see timm's models."
    raise UserError(f"no classifier is called {name!r}; {hint}")


def _wants_small(
    settings: ClassifierSettings,
    stem: Stem | None,
    input_size: tuple[int, int],
    found: Mapping[str, Tensor] | None,
) -> bool:
    if settings.stem == "standard":
        return False
    if stem is None:
        if settings.stem == "small":
            raise UserError(
                f"classifier {settings.name!r}: how to make its stem small is not known; use "
                "stem 'standard'."
            )
        return False
    kernel = _kernel_of_weights(settings, stem, found)
    if settings.stem == "small":
        if kernel not in (None, stem.small_kernel):
            raise UserError(
                f"classifier {settings.name!r}: its small stem has a kernel of "
                f"{stem.small_kernel} x {stem.small_kernel}, the {settings.weights!r} weights "
                f"have one of {kernel} x {kernel}; use stem 'standard' or weights 'none'."
            )
        return True
    if kernel is not None and stem.small_kernel != stem.kernel:
        return kernel == stem.small_kernel
    return max(input_size) <= _SMALL_SIDE


def _kernel_of_weights(
    settings: ClassifierSettings, stem: Stem, found: Mapping[str, Tensor] | None
) -> int | None:
    if settings.weights == IMAGENET:
        return stem.kernel
    weight = found.get(f"{stem.convolution}.weight") if found is not None else None
    return None if weight is None else weight.shape[-1]


def _load(network: nn.Module, found: Mapping[str, Tensor], path: str) -> None:
    own, source = network.state_dict(), f"classifier weights {path}"
    for head in _heads(network):
        key = f"{head}.weight"
        if key in own and (key not in found or found[key].shape[0] != own[key].shape[0]):
            ours = {k: v for k, v in own.items() if k.startswith(f"{head}.")}
            found = {k: v for k, v in found.items() if not k.startswith(f"{head}.")} | ours
    unknown = sorted(key for key in found if key not in own)
    # A deeper network of the same family holds every tensor of a shallower one.
    if unknown:
        raise UserError(
            f"{source}: {len(unknown)} tensors are not in the network, {unknown[0]!r} first; the "
            "file must hold the weights of this very network."
        )
    load_tensors(network, found, source)


def _heads(network: nn.Module) -> tuple[str, ...]:
    if isinstance(network, small_images.StagedNetwork):
        return ("classifier",)
    heads = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    return (heads,) if isinstance(heads, str) else tuple(heads)


def _try_out(network: nn.Module, name: str, num_classes: int, shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    try:
        # Not in inference mode, as some networks keep what they compute at first.
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, *shape))
    except (RuntimeError, TypeError, AssertionError, ValueError, LookupError) as error:
        raise UserError(
            f"classifier {name!r} cannot take images of {height} x {width} pixels and {channels} "
            f"channels: {one_line(error)}."
        ) from error
    finally:
        network.train()
    if not isinstance(logits, Tensor) or logits.shape != (1, num_classes):
        raise UserError(
            f"classifier {name!r} does not give one logit for each of {num_classes} classes; "
            "correct its options."
        )
