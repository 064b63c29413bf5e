from __future__ import annotations

import pytest
import torch

from nas.distillation import TermSettings, create_loss, describe, is_importable


def test_the_loss_is_the_angle(examples):
    loss = create_loss(f"{examples}/own_loss.py:Cosine")
    student = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    teacher = torch.tensor([[0.0, 3.0], [5.0, 0.0]])
    # Cosines 0 and 1.
    assert loss(student, teacher).item() == pytest.approx(0.5)


def test_an_option_of_the_loss_is_taken(examples):
    loss = create_loss(f"{examples}/own_loss.py:Cosine", power=2.0)
    # Cosine 0.6.
    assert loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]])).item() == pytest.approx(
        0.16
    )


def test_a_term_takes_what_the_loss_declares(examples):
    path = f"{examples}/own_loss.py:Cosine"
    assert TermSettings(method=path).factor == 1
    assert TermSettings(method=path, student="stride=last").factor == 10
    assert TermSettings(method="cosine").method == path
    assert is_importable("cosine")


def test_the_loss_is_listed(examples):
    create_loss(f"{examples}/own_loss.py:Cosine")
    assert describe()[-1].name == "cosine"
