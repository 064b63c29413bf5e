"""Parameters and buffers of a module as one vector each.

An update over hundreds of small tensors is mostly overhead. As views of one vector they are
updated, clipped and averaged by a handful of operations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn


class FlatParameters:
    """The trainable parameters of a module, moved into one vector.

    Args:
        module: Its parameters become views of `values`, their gradients views of `gradients`.
        without: Modules inside it that are left as they are.

    Raises:
        ValueError: If nothing in the module is trainable.
    """

    def __init__(self, module: nn.Module, without: Collection[nn.Module] = ()):
        left = {id(p) for part in without for p in part.parameters()}
        parameters = [p for p in module.parameters() if p.requires_grad and id(p) not in left]
        if not parameters:
            raise ValueError("the module has no trainable parameter")
        self.values = _flatten(parameters)
        self.gradients = torch.zeros_like(self.values)
        self.values.grad = self.gradients
        for parameter, value, gradient in zip(
            parameters,
            _views(self.values, parameters),
            _views(self.gradients, parameters),
            strict=True,
        ):
            parameter.data = value
            parameter.grad = gradient


class FlatBuffers:
    """The floating-point buffers of a module (batch-norm statistics), moved into one vector.

    Args:
        module: Its buffers become views of `values`.
        without: Modules inside it that are left as they are.
    """

    def __init__(self, module: nn.Module, without: Collection[nn.Module] = ()):
        left = {owner for part in without for owner in part.modules()}
        owners = [
            (owner, name, buffer)
            for owner in module.modules()
            if owner not in left
            for name, buffer in owner.named_buffers(recurse=False)
            if buffer.is_floating_point()
        ]
        buffers = [buffer for _, _, buffer in owners]
        self.values = _flatten(buffers) if buffers else torch.zeros(0)
        for (owner, name, _), view in zip(owners, _views(self.values, buffers), strict=True):
            # `data` has a version counter of its own: batch norm updates its statistics while
            # autograd holds those of its neighbours.
            owner._buffers[name] = view.data


def _flatten(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _views(flat: Tensor, tensors: Iterable[Tensor]) -> list[Tensor]:
    views, start = [], 0
    for tensor in tensors:
        views.append(flat[start : start + tensor.numel()].view(tensor.shape))
        start += tensor.numel()
    return views
