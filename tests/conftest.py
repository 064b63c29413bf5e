"""Keeps PyTorch on one thread, and makes full disks.

Many tests compare numbers to the last bit, and two threads add in another order than one.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Lets no file of this process, and of those that it starts, grow beyond so many bytes."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
