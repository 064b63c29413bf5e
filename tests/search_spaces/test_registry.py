from __future__ import annotations

import subprocess
import sys

import pytest

import search_spaces


def test_every_preset_of_every_space_can_be_created():
    for name in search_spaces.names():
        for options in search_spaces.presets(name).values():
            space = search_spaces.create(name, **options)
            assert space.name == name
            assert options.items() <= space.options.items()


def test_options_recreate_the_space():
    space = search_spaces.create("fastnas", branches=2, cells=5, width=8, repeats=3)
    again = search_spaces.create("fastnas", **space.options)
    assert again.fingerprint == space.fingerprint
    assert again.decisions == space.decisions


def test_a_changed_preset_does_not_reach_the_next_caller():
    search_spaces.presets("fastnas")["search"]["width"] = 1
    assert search_spaces.presets("fastnas")["search"]["width"] == 48


def test_unknown_space_names_the_nearest():
    with pytest.raises(search_spaces.SpaceError, match=r"no search space 'fastnass'.*'fastnas'"):
        search_spaces.create("fastnass")


def test_unknown_option_names_the_nearest():
    with pytest.raises(search_spaces.SpaceError, match=r"no option 'branch'.*'branches'"):
        search_spaces.create("fastnas", branch=4)


def test_describing_a_space_does_without_torch():
    script = """
import random, sys
import search_spaces
space = search_spaces.create("fastnas")
genotype = space.sample(random.Random(0))
space.canonical_key(genotype), space.graph(genotype), space.choices(genotype)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
