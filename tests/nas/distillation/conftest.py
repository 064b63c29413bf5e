from __future__ import annotations

import pytest
import torch


@pytest.fixture
def logits():
    """Student and teacher, 2 samples x 3 classes."""
    return (
        torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]),
        torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, -1.0]]),
    )


@pytest.fixture
def maps():
    """Student and teacher, 2 samples x 2 channels x 2 x 2."""
    count = torch.arange(16, dtype=torch.float64).reshape(2, 2, 2, 2)
    student = count / 10
    teacher = student.flip(1) * 1.5 + 0.1 * count.sin()
    return student.float(), teacher.float()
