"""What an installed copy holds; an editable install would hide what is missing."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from setuptools import find_packages

ROOT = Path(__file__).parents[1]
TOP_LEVEL = ("latency", "nas", "open_registry", "rewards", "search_spaces", "user_folders")


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_every_folder_with_code_is_installed(setup):
    include = lines(setup["options.packages.find"]["include"])
    installed = set(find_packages(str(ROOT), include=include))
    sources = {path.parent for name in TOP_LEVEL for path in (ROOT / name).rglob("*.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in sources} == installed


def test_every_data_file_is_installed(setup):
    patterns = lines(setup["options.package_data"]["*"])
    missing = [
        path
        for name in TOP_LEVEL
        for path in (ROOT / name).rglob("*")
        if path.is_file()
        and path.suffix not in {".py", ".pyc"}
        and not any(path.match(pattern) for pattern in patterns)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", "onnxruntime-gpu"),
        ("Windows", "AMD64", "onnxruntime-gpu"),
        ("Linux", "aarch64", "onnxruntime"),
        ("Windows", "ARM64", "onnxruntime"),
        ("Darwin", "x86_64", "onnxruntime"),
        ("Darwin", "arm64", "onnxruntime"),
    ],
)
def test_one_platform_gets_one_onnxruntime(setup, system, machine, expected):
    environment = {"platform_system": system, "platform_machine": machine}
    requirements = map(Requirement, lines(setup["options"]["install_requires"]))
    chosen = [
        requirement.name
        for requirement in requirements
        if requirement.name.startswith("onnxruntime")
        and requirement.marker is not None
        and requirement.marker.evaluate(environment)
    ]
    assert chosen == [expected]


def test_the_pins_lie_within_the_ranges(setup):
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(line.lower().split("==") for line in text.splitlines() if "==" in line)
    ranges = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    for requirement in map(Requirement, lines("\n".join(ranges))):
        pin = pins.get(requirement.name.lower().replace("_", "-"))
        assert pin is None or requirement.specifier.contains(pin), requirement
