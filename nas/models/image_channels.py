"""Networks of timm for images of any number of channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nas import vision_libraries

_COLOUR = 3


def channels_option(in_channels: int) -> dict[str, int]:
    """The argument of ``timm.create_model`` for images of a number of channels.

    Three are timm's default and need none, which leaves a user's own option alone.
    """
    return {} if in_channels == _COLOUR else {"in_chans": in_channels}


def fitted_to_channels(found: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
    """Weights of a network for colour images, fitted to one that takes other channels.

    The first convolutions are changed as timm changes them for its own weights: summed for one
    channel, repeated and scaled for more.

    Args:
        found: Weights by timm's key names.
        network: A network of timm.
    """
    own = network.state_dict()
    config: Any = getattr(network, "pretrained_cfg", None) or {}
    first = config.get("first_conv") or ()
    fitted = dict(found)
    for name in (first,) if isinstance(first, str) else first:
        key = f"{name}.weight"
        if key not in found or key not in own or found[key].ndim != own[key].ndim:
            continue
        stored, wanted = found[key].shape[1], own[key].shape[1]
        if stored == _COLOUR and wanted != _COLOUR:
            fitted[key] = vision_libraries.timm.models.adapt_input_conv(wanted, found[key])
    return fitted
