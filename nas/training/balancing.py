"""Measured weights: how strongly a teacher pulls beside the labels when training begins."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from nas.distillation.distiller import Distiller
from nas.errors import UserError
from nas.training.loop import Batch
from nas.training.recipe import BatchLoss
from nas.training.seeding import seeded
from nas.training.teaching import as_in_training

_BATCHES = 8


def balance(
    distiller: Distiller,
    network: nn.Module,
    loss: BatchLoss,
    batches: Iterable[Batch],
    frozen_statistics: Sequence[nn.Module] = (),
) -> dict[str, float]:
    """Measures the weights of the terms that have a balance, and hands them to the distiller.

    A weight is the balance times the length of the gradient of the labels' loss over that of the
    term's, both on the parameters that the term reaches, over a few batches.

    Args:
        distiller: Of the training.
        network: The student as its training begins; left as it is.
        loss: Of the training.
        batches: Of an epoch; the first ones are taken.
        frozen_statistics: Modules whose batch norms keep their statistics.

    Returns:
        The weights by the name of the term; empty where none is to be measured.

    Raises:
        UserError: If the labels or a term have no gradient to measure.
    """
    if not distiller.balances:
        return {}
    parameters = [p for p in network.parameters() if p.requires_grad]
    labels = dict.fromkeys(distiller.balances, 0.0)
    terms = dict.fromkeys(distiller.balances, 0.0)
    with as_in_training(network, frozen_statistics), seeded("balance"):
        for batch in itertools.islice(batches, _BATCHES):
            of_labels, losses = loss.parts(batch)
            reference = _gradients(of_labels, parameters)
            for name in distiller.balances:
                gradients = _gradients(losses[name], parameters)
                terms[name] += _squares(gradients)
                reached = [
                    label
                    for label, gradient in zip(reference, gradients, strict=True)
                    if gradient is not None
                ]
                labels[name] += _squares(reached)
    loss.means()
    weights = {
        name: share * _ratio(name, labels[name], terms[name])
        for name, share in distiller.balances.items()
    }
    distiller.measured(weights)
    return weights


def told(distiller: Distiller, weights: dict[str, float]) -> str:
    """A sentence on measured weights, for the log."""
    found = ", ".join(
        f"{name} {weight:.3g} (its gradient begins with {distiller.balances[name]:g} of the length "
        "of the labels')"
        for name, weight in weights.items()
    )
    return f"measured weights: {found}"


def _ratio(name: str, labels: float, term: float) -> float:
    if not (0 < labels < float("inf") and 0 < term < float("inf")):
        without = "the labels have" if not 0 < labels < float("inf") else "the loss has"
        raise UserError(
            f"the weight of {name!r} cannot be measured, because {without} no gradient when "
            "training begins; give the loss a weight."
        )
    return float((labels / term) ** 0.5)


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


def _squares(gradients: Iterable[Tensor | None]) -> float:
    return float(sum(g.double().square().sum() for g in gradients if g is not None))
