from __future__ import annotations

import random

import torch

import search_spaces
from open_registry import load_modules


def test_the_space_is_created_by_its_path_and_by_its_name(examples):
    path = f"{examples}/own_space.py:TinySpace"
    space = search_spaces.create(path, stages=3)
    assert search_spaces.create("tiny", stages=3).fingerprint == space.fingerprint
    assert search_spaces.address("tiny") == search_spaces.address(space) == path
    assert search_spaces.kind("tiny") == "classification"
    assert space.size == 3**6


def test_every_candidate_can_be_built(examples):
    load_modules([f"{examples}/own_space.py"])
    space = search_spaces.create("tiny")
    for seed in range(5):
        genotype = space.sample(random.Random(seed))
        network = space.build(genotype, num_classes=7, in_channels=1)
        assert network(torch.ones(2, 1, 8, 8)).shape == (2, 7)
        assert space.parse(str(genotype)) == genotype


def test_a_candidate_has_the_size_that_it_says(examples):
    space = search_spaces.create(f"{examples}/own_space.py:TinySpace")
    network = space.build(space.parse([3, 5, 8, 16]), num_classes=10, in_channels=1)
    # Convolutions 9·8 + 8 and 25·8·16 + 16, two numbers for each normalised channel, a classifier.
    expected = 80 + 3216 + 2 * (8 + 16) + 16 * 10 + 10
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
