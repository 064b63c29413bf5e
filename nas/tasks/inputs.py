"""What the channels of an image are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator


def _check(value: Any) -> Any:
    counted = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value not in ("rgb", "grey") and not counted:
        raise ValueError(f"{value!r} is neither rgb, grey nor a number of channels")
    return value


Channels = Annotated[Literal["rgb", "grey"] | int, BeforeValidator(_check)]
"""How image files are read: as colour, as one channel, or with a given number of bands."""

RGB: Mapping[str, int] = {"rgb": 3}
"""The inputs of a colour image."""


def named_inputs(channels: Channels) -> dict[str, int]:
    """The inputs that images read in this way have, and the channels of each."""
    if channels == "rgb":
        return dict(RGB)
    return {"grey": 1} if channels == "grey" else {"bands": int(channels)}


def channel_range(inputs: Mapping[str, int], name: str) -> tuple[int, int]:
    """The first channel of an input, and the one after its last, where all lie in one tensor.

    Args:
        inputs: Channels of each input, in order.
        name: One of them.
    """
    names = list(inputs)
    start = sum(inputs[before] for before in names[: names.index(name)])
    return start, start + inputs[name]
