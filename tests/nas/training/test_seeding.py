from __future__ import annotations

import pytest
import torch

from nas.training.seeding import derive, seeded


def draws(*parts):
    with seeded(*parts) as generator:
        return torch.cat([torch.rand(3), torch.rand(3, generator=generator)])


def test_the_same_parts_give_the_same_numbers():
    first = draws("candidate", 7)
    torch.rand(5)
    assert torch.equal(draws("candidate", 7), first)


def test_other_parts_give_other_numbers():
    parts = [("candidate", 7), ("candidate", 8), ("weights", 7), (7, "candidate")]
    assert len({tuple(draws(*p).tolist()) for p in parts}) == 4


def test_the_global_state_is_put_back():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    draws("candidate", 7)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_state_is_put_back_after_an_error():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="stop"), seeded("candidate", 7):
        torch.rand(1)
        raise RuntimeError("stop")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_state_does_not_matter_inside():
    torch.manual_seed(1)
    first = draws("weights", 0)
    torch.manual_seed(2)
    assert torch.equal(draws("weights", 0), first)


def test_a_derived_seed_is_the_same_on_every_machine():
    # The first 63 bits of SHA-256 of "candidate", a unit separator and "7".
    assert derive("candidate", 7) == 0x40E3A033BCB9A863


def test_derived_seeds_have_63_bits_and_keep_their_parts_apart():
    seeds = {derive(number) for number in range(1000)} | {derive(1, 23), derive(12, 3)}
    assert len(seeds) == 1002
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62
