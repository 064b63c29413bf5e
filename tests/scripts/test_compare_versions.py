from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
DIFFERENCES = [("made/a/config.yaml/new", "a line"), ("made/a/study.db/0/values", "another")]


@pytest.fixture
def sort_out(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    return runpy.run_path(str(SCRIPTS / "compare_versions.py"))["sort_out"]


def test_what_is_not_declared_is_told(sort_out):
    undeclared, declared = sort_out(DIFFERENCES, {"*/config.yaml/*": "a new key"})
    assert undeclared == ["another"]
    assert declared == ["*/config.yaml/*: 1 moved: a new key"]


def test_a_difference_counts_for_the_first_declaration_that_fits(sort_out):
    undeclared, declared = sort_out(DIFFERENCES, {"*/values": "luck", "made/*": "the rest"})
    assert undeclared == []
    assert declared == ["*/values: 1 moved: luck", "made/*: 1 moved: the rest"]


def test_a_declaration_that_nothing_needs_any_more_shows(sort_out):
    assert sort_out([], {"made/*": "once"}) == ([], ["made/*: 0 moved: once"])
