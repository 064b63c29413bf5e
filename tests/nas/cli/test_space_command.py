from __future__ import annotations

import search_spaces


def test_list_names_spaces_and_presets(nas) -> None:
    lines = nas("space", "list").out.splitlines()
    assert lines[0] == "fastnas"
    assert "  small: branches=3, cells=2, width=48, repeats=1" in lines


def test_show_prints_decisions_and_size(nas) -> None:
    space = search_spaces.create("fastnas", branches=2, cells=1)
    options = ("--set", "branches=2", "--set", "cells=1", "--samples", 0)
    lines = nas("space", "show", *options).out.splitlines()
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


def test_a_space_is_shown_as_a_new_search_takes_it(nas) -> None:
    def shown(*options: str) -> str:
        return nas("space", "show", "nano", "--samples", 0, *options).out.splitlines()[0]

    assert "decoder=pyramid" in shown()
    assert "decoder=fastnas" in shown("--set", "decoder=fastnas")


def test_show_tells_what_candidates_cost(nas) -> None:
    options = ("--set", "widths=[4, 8]", "--set", "encoders=[ghostnet_050]", "--set", "strides=[8]")
    size = ("--samples", 8, "--input-size", "32x32", "--classes", 3)
    lines = nas("space", "show", "nano", *options, *size).out.splitlines()
    titles = [line for line in lines if " candidates: " in line]
    assert [title.split(" of ")[0] for title in titles] == ["parameters", "MACs"]
    # The encoder up to stride 8 has 5,518 parameters.
    assert float(titles[0].split(": ")[1].split(" K")[0]) > 5.5
    bars = [int(line.split()[-1]) for line in lines if line.startswith("  from ")]
    assert len(bars) == 20
    assert sum(bars[:10]) == sum(bars[10:]) <= 8


def test_the_costs_of_samples_are_those_of_the_genotypes_printed(nas) -> None:
    options = ("--set", "cells=1", "--set", "width=8", "--count", 4, "--seed", 1)
    plain = nas("space", "sample", *options).out.splitlines()
    told = nas("space", "sample", *options, "--costs", "--input-size", "32x32").out.splitlines()
    assert told[:4] == plain
    assert "parameters of " in told[4]


def test_a_wrong_size_is_refused(nas) -> None:
    outcome = nas("space", "show", "--input-size", "128")
    assert outcome.code == 2
    assert "--input-size '128': expected HEIGHTxWIDTH" in outcome.err
