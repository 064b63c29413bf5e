"""A second opinion on the multiply-accumulates."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from latency.counting.counts import count
from latency.network import check_input_shape, deployed_copy

TOLERANCE = 0.1


class CountWarning(UserWarning):
    """Two ways of counting disagree."""


@dataclass(frozen=True)
class CrossCheck:
    """Multiply-accumulates by two counters.

    Attributes:
        ours: As `latency.count` gives them.
        thop: As thop gives them.
        disagreement: Absolute difference as a share of the larger figure, 0 to 1.
    """

    ours: int
    thop: int
    disagreement: float

    @property
    def warning(self) -> str | None:
        """One sentence if the two differ by more than 10 %."""
        if self.disagreement <= TOLERANCE:
            return None
        return (
            f"{self.ours:,} multiply-accumulates are counted, and {self.thop:,} by thop, which "
            "counts normalisation too and misses functional operations; look into it if the "
            "networks are your own."
        )


def thop_warning(model: nn.Module, input_shape: Sequence[int]) -> str | None:
    """What a search tells its user about the count of one of its networks.

    Args:
        model: The whole deployed network; thop gets a copy.
        input_shape: Shape N, C, H, W of the input.

    Returns:
        One sentence if `latency.count` and thop differ by more than 10 %, else None.

    Raises:
        LatencyError: If the shape is not four positive integers.
    """
    return _compare(model, input_shape).warning


def cross_check(model: nn.Module, input_shape: Sequence[int]) -> CrossCheck:
    """Compares `latency.count` with thop (https://github.com/Lyken17/pytorch-OpCounter).

    thop has rules for module classes: it misses functional calls, takes a convolution's whole
    kernel where only a part is used, and counts normalisation, which we do not. It also leaves
    buffers behind, so it gets a copy.

    Args:
        model: The whole deployed network.
        input_shape: Shape N, C, H, W of the input.

    Raises:
        LatencyError: If the shape is not four positive integers.

    Warns:
        CountWarning: If the two disagree by more than 10 %.
    """
    found = _compare(model, input_shape)
    if found.warning is not None:
        warnings.warn(found.warning, CountWarning, stacklevel=2)
    return found


def _compare(model: nn.Module, input_shape: Sequence[int]) -> CrossCheck:
    shape = check_input_shape(input_shape)
    ours, theirs = count(model, shape).macs, _thop_macs(model, shape)
    return CrossCheck(ours, theirs, disagreement=abs(ours - theirs) / max(ours, theirs, 1))


def _thop_macs(model: nn.Module, shape: tuple[int, ...]) -> int:
    network = deployed_copy(model, "meta")
    with torch.device("meta"):
        image = torch.empty(shape)
    # thop compares versions in a deprecated way, on import and in a profile.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import thop
        from thop.vision.basic_hooks import count_convNd, count_linear

        rules = {
            **_subclass_rules(network, (nn.Conv1d, nn.Conv2d, nn.Conv3d), count_convNd),
            **_subclass_rules(network, (nn.Linear,), count_linear),
        }
        macs, _ = thop.profile(network, inputs=(image,), custom_ops=rules, verbose=False)
    return int(macs)


def _subclass_rules(
    network: nn.Module, bases: tuple[type[nn.Module], ...], rule: Callable[..., None]
) -> dict[type[nn.Module], Callable[..., None]]:
    # thop looks up the exact class and would count its subclasses, timm's convolutions too, as 0.
    kinds = {type(module) for module in network.modules()}
    return {kind: rule for kind in kinds if issubclass(kind, bases)}
