from __future__ import annotations

import search_spaces


def test_list_names_spaces_and_presets(nas) -> None:
    lines = nas("space", "list").out.splitlines()
    assert lines[0] == "fastnas"
    assert "  small: branches=3, cells=2, width=48, repeats=1" in lines


def test_show_prints_decisions_and_size(nas) -> None:
    space = search_spaces.create("fastnas", branches=2, cells=1)
    lines = nas("space", "show", "--set", "branches=2", "--set", "cells=1").out.splitlines()
    assert lines[0] == space.fingerprint
    assert "  decoder.block1.input1: 0, 1, 2, 3" in lines
    assert len(lines) == len(space.decisions) + 2
    # op0; two of two positions, two operations; two of four encoder outputs.
    assert lines[-1] == f"{11 * 2**2 * 11**2 * 4**2:.3g} candidates"


def test_samples_are_genotypes_and_repeat_with_their_seed(nas) -> None:
    space = search_spaces.create("fastnas", cells=1)
    options = ("--set", "cells=1", "--count", 3, "--seed", 5)
    lines = nas("space", "sample", *options).out.splitlines()
    assert [str(space.parse(line)) for line in lines] == lines
    assert len(set(lines)) == 3
    assert nas("space", "sample", *options).out.splitlines() == lines
