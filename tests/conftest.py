"""Keeps PyTorch on one thread.

Many tests compare numbers to the last bit, and two threads add in another order than one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


# Of the session too: fixtures of a wider scope than a test train networks.
@pytest.fixture(autouse=True, scope="session")
def _one_thread_for_fixtures() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    # A module's fixtures are made before this one is entered again.
    torch.set_num_threads(1)
