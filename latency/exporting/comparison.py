"""An exported network beside the one that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from latency.errors import ExportError
from latency.network import on_cpu

TOLERANCE = 1e-3
"""Largest difference that is accepted, as a share of the largest output. The kernels of another
runtime add in another order, which in float32 comes to some 1e-5."""


def largest_difference(
    network: nn.Module,
    run: Callable[[np.ndarray], np.ndarray],
    images: Iterable[Tensor],
    tolerance: float = TOLERANCE,
) -> float:
    """Compares what an exported network gives for images with what PyTorch gives.

    Args:
        network: The network that was exported, with its preprocessing if that was exported too.
        run: Runs the exported one.
        images: Batches of the shape that it was exported with.
        tolerance: Largest difference that is accepted, as a share of the largest output, or
            absolute where no output is above 1.

    Returns:
        The largest absolute difference found.

    Raises:
        ExportError: If it is above the tolerance, or the outputs differ in shape.
    """
    reference, worst = on_cpu(network), 0.0
    for batch in images:
        with torch.no_grad():
            expected = reference(batch).numpy()
        found = run(batch.numpy())
        if found.shape != expected.shape:
            raise ExportError(
                f"the exported network gives shape {found.shape}, and PyTorch's {expected.shape}."
            )
        difference = float(np.abs(found - expected).max())
        allowed = tolerance * max(1.0, float(np.abs(expected).max()))
        # NaN is not within any tolerance.
        if not difference <= allowed:
            raise ExportError(
                f"its outputs differ from PyTorch's by up to {difference:.2g}, more than the "
                f"tolerance of {allowed:.2g}: the network computes something that the export does "
                "not keep."
            )
        worst = max(worst, difference)
    return worst
