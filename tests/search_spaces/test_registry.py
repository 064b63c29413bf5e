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


def test_only_the_space_that_is_asked_for_is_imported():
    script = """
import sys
import search_spaces
search_spaces.names()
before = {name for name in sys.modules if name.startswith("search_spaces.")}
search_spaces.kind("mobile")
after = {name for name in sys.modules if name.startswith("search_spaces.")}
print(*sorted({name.split(".")[1] for name in after - before} - {"cells"}))
"""
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    assert found.split() == ["mobile"]
