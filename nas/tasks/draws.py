"""Random numbers of libraries that know only torch's global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def draws_from(generator: torch.Generator) -> Iterator[None]:
    """Lets the global generator of the CPU follow another one, and restores it afterwards.

    Args:
        generator: Decides every draw of the block; one number is drawn from it.
    """
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    with torch.random.fork_rng(devices=[]):
        # Every draw is made on the CPU, so that all devices see the same changes.
        torch.default_generator.manual_seed(int(seed))
        yield
