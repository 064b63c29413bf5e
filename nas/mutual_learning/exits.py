"""Classifiers at the cuts of networks that have learned, and how sure an exit may be."""

from __future__ import annotations

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn import functional

_ROUNDS = 100
_DECAY = 1e-4


class ExitHead(nn.Module):
    """A linear classifier on the mean of a map over its positions.

    Args:
        channels: Of the map.
        classes: Number of classes.
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits N x classes of maps N x channels x height x width."""
        logits: Tensor = self.linear(pooled(maps))
        return logits


def pooled(maps: Tensor) -> Tensor:
    """What a head takes of maps: N x channels."""
    return maps.mean(dim=(2, 3))


def train_head(features: Tensor, labels: Tensor, classes: int) -> ExitHead:
    """Fits a head to features that stay as they are, by logistic regression.

    Nothing in it is random: it starts from zero and takes all images at once (L-BFGS).

    Args:
        features: N x channels, what `pooled` gives.
        labels: Class of each image, N.
        classes: Number of classes.
    """
    mean, deviation = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)
    inputs = (features - mean) / deviation
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_ROUNDS, line_search_fn="strong_wolfe", history_size=10
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = functional.cross_entropy(functional.linear(inputs, weight, bias), labels)
        found = found + _DECAY * weight.square().sum()
        found.backward()
        return found

    optimiser.step(loss)
    head = ExitHead(features.shape[1], classes)
    with torch.no_grad():
        # The head takes features as they come.
        head.linear.weight.copy_(weight / deviation)
        head.linear.bias.copy_(bias - (weight / deviation) @ mean)
    return head.eval()


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature by which logits are divided so that confidence says how often they are right.

    It minimises the cross-entropy (Guo et al. 2017, https://arxiv.org/abs/1706.04599), between 0.05
    and 20.

    Args:
        logits: N x classes, of images that the network was not trained on.
        labels: Class of each image, N.
    """

    def loss(inverse: float) -> float:
        return float(functional.cross_entropy(logits.double() * inverse, labels))

    # In the inverse of the temperature, the loss is convex.
    return float(1 / minimize_scalar(loss, bounds=(0.05, 20.0), method="bounded").x)
