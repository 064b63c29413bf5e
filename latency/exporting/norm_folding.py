"""Batch norm folded into the convolutions of a recording."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from latency.exporting.recording import RecordedCall, Recording, Slot, slots_of

_BATCH_NORM = signature(F.batch_norm)
_CONVOLUTIONS = frozenset({torch.conv1d, torch.conv2d, torch.conv3d})


def fold_batch_norm(recording: Recording) -> Recording:
    """Makes batch norm a part of the convolution before it.

    Runtimes do that too when they load a network, but an exporter that has fewer calls to follow
    takes less time.

    Args:
        recording: Of a network in evaluation mode.

    Returns:
        A recording of the same output, up to rounding, in which every call that is left has the
        number that it had. Among them are batch norms that take the statistics of the batch, and
        those of a convolution whose output is used elsewhere too.
    """
    uses = Counter(slots_of(recording.output))
    for call in recording.calls:
        uses.update(slots_of((call.args, call.kwargs)))
    calls: list[RecordedCall] = []
    convolutions: dict[Slot, int] = {}
    for call in recording.calls:
        norm = _constant_norm(call)
        place = convolutions.get(norm["input"]) if norm else None
        if norm is not None and place is not None:
            calls[place] = _merged(calls[place], norm, call.results)
            continue
        if _is_constant_convolution(call) and uses[call.results[0]] == 1:
            convolutions[call.results[0]] = len(calls)
        calls.append(call)
    return Recording(calls, recording.output, recording.inputs)


def _constant_norm(call: RecordedCall) -> dict[str, Any] | None:
    """The arguments of a batch norm that scales and shifts by constants, None for other calls."""
    if call.function is not F.batch_norm:
        return None
    bound = _BATCH_NORM.bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    norm = bound.arguments
    known = isinstance(norm["running_mean"], Tensor) and isinstance(norm["running_var"], Tensor)
    return norm if known and not norm["training"] and len(list(slots_of(norm))) == 1 else None


def _is_constant_convolution(call: RecordedCall) -> bool:
    constant = len(call.args) > 1 and len(list(slots_of((call.args, call.kwargs)))) == 1
    return call.function in _CONVOLUTIONS and constant


def _merged(
    convolution: RecordedCall, norm: dict[str, Any], results: tuple[Slot, ...]
) -> RecordedCall:
    image, kernel, *others = convolution.args
    named = dict(convolution.kwargs)
    bias = others.pop(0) if others else named.pop("bias", None)
    kernel, bias = fuse_conv_bn_weights(
        kernel,
        bias,
        norm["running_mean"],
        norm["running_var"],
        norm["eps"],
        norm["weight"],
        norm["bias"],
    )
    args = (image, kernel.detach(), bias.detach(), *others)
    return replace(convolution, args=args, kwargs=named, results=results)
