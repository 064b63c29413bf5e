from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nas.mutual_learning.exits import fit_temperature, pooled, train_head


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_head_learns_what_is_linear_in_the_pooled_maps() -> None:
    maps = normal(300, 5, 3, 3) * torch.tensor([1.0, 10.0, 0.1, 1.0, 1.0])[:, None, None] + 4
    labels = (pooled(maps) @ normal(5, 3, seed=1)).argmax(dim=1)
    head = train_head(pooled(maps), labels, 3)
    with torch.no_grad():
        assert (head(maps).argmax(dim=1) == labels).float().mean() > 0.97


def test_a_channel_that_never_changes_does_no_harm() -> None:
    features = torch.cat([normal(50, 2), torch.ones(50, 1)], dim=1)
    head = train_head(features, (features[:, 0] > 0).long(), 2)
    assert head.linear.weight.isfinite().all()


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_temperature_undoes_a_factor_of_calibrated_logits(factor: float) -> None:
    logits = 2 * normal(4000, 4)
    generator = torch.Generator().manual_seed(2)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    calibrated = fit_temperature(logits, labels)
    assert calibrated == pytest.approx(1, abs=0.1)
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor * calibrated, rel=1e-2)


def test_no_temperature_has_a_smaller_loss() -> None:
    logits, labels = normal(200, 3), torch.arange(200) % 3
    labels[:120] = logits[:120].argmax(dim=1)

    def loss(temperature: float) -> float:
        return float(functional.cross_entropy(logits / temperature, labels))

    found = fit_temperature(logits, labels)
    assert loss(found) <= min(loss(found * 1.1), loss(found / 1.1))
