"""Takes some of the named inputs that lie in one tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nas.errors import UserError


class SelectInputs(nn.Module):
    """Selects the channels of some named inputs, for a network that takes a part of them.

    Args:
        inputs: Channels of each input, in the order in which they lie in the tensor.
        names: The inputs to take, in the order wanted.

    Raises:
        UserError: If none is taken, one is taken twice, or there is no such input.

    Examples:
        >>> select = SelectInputs({"rgb": 3, "depth": 1, "ir": 1}, ["rgb", "ir"])
        >>> select(torch.zeros(2, 5, 8, 8)).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(self, inputs: Mapping[str, int], names: Sequence[str]) -> None:
        super().__init__()
        unknown = [name for name in names if name not in inputs]
        if unknown:
            raise UserError(f"there is no input {unknown[0]!r}; known: {', '.join(inputs)}.")
        if not names or len(set(names)) < len(names):
            raise UserError(f"inputs: {list(names)} must name at least one input, and each once.")
        self.names = tuple(names)
        """The inputs that are taken."""
        self.channels = sum(inputs[name] for name in names)
        """Channels of the result."""
        self._ranges = [_range(inputs, name) for name in names]
        self.indices = tuple(index for bounds in self._ranges for index in range(*bounds))
        """Which of all channels these are."""

    def forward(self, images: Tensor) -> Tensor:
        """Images N x selected channels x H x W of images N x all channels x H x W."""
        parts = [images[:, start:stop] for start, stop in self._ranges]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _range(inputs: Mapping[str, int], name: str) -> tuple[int, int]:
    names = list(inputs)
    start = sum(inputs[before] for before in names[: names.index(name)])
    return start, start + inputs[name]
