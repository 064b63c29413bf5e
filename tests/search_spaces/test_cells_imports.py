from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["nasbench201", "darts"])
def test_describing_a_space_of_cells_does_without_torch(name):
    script = f"""
import random, sys
import search_spaces
space = search_spaces.create({name!r})
genotype = space.sample(random.Random(0))
space.canonical_key(genotype), space.graph(genotype), space.choices(genotype)
space.published_parameters(genotype), space.parse(str(genotype))
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
