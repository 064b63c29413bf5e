from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from open_registry import Registry, UnknownNameError, load_modules

PARTS = Registry("part", {"json": "json.decoder:JSONDecoder"})


class Here:
    class Inner:
        pass


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch, tmp_path):
    """Leaves no module of a test, and no folder of it, to the next one."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_class_is_found_by_module_and_name():
    assert PARTS.get("json.encoder:JSONEncoder") is json.JSONEncoder


def test_a_class_within_a_class_is_found():
    assert PARTS.get(f"{__file__}:Here.Inner").__qualname__ == "Here.Inner"


def test_a_module_is_looked_for_in_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    write(tmp_path / "found_here/inner.py", "class Own: value = 3")
    assert PARTS.get("found_here.inner:Own").value == 3


def test_a_file_is_found_by_a_relative_path(tmp_path):
    write(tmp_path / "parts/own_part.py", "class Own: value = 4")
    assert PARTS.get("parts/own_part.py:Own").value == 4


def test_a_file_is_imported_once(tmp_path):
    file = write(tmp_path / "once.py", "class Own: pass")
    assert PARTS.get("once.py:Own") is PARTS.get(f"{file}:Own")


def test_a_file_and_its_module_are_one(monkeypatch, tmp_path):
    file = write(tmp_path / "known.py", "class Own: pass")
    monkeypatch.syspath_prepend(tmp_path)
    import known

    assert PARTS.get(f"{file}:Own") is known.Own


def test_a_file_finds_its_neighbours(tmp_path):
    write(tmp_path / "parts/neighbour.py", "VALUE = 5")
    write(tmp_path / "parts/asking.py", "from neighbour import VALUE\nclass Own: value = VALUE")
    assert PARTS.get("parts/asking.py:Own").value == 5


def test_a_file_of_a_package_imports_relatively(tmp_path):
    write(tmp_path / "deep/whole/__init__.py", "")
    write(tmp_path / "deep/whole/values.py", "VALUE = 6")
    write(tmp_path / "deep/whole/own.py", "from .values import VALUE\nclass Own: value = VALUE")
    found = PARTS.get("deep/whole/own.py:Own")
    assert (found.value, found.__module__) == (6, "whole.own")


def test_files_of_one_name_are_kept_apart(tmp_path):
    write(tmp_path / "a/same.py", "class Own: value = 'a'")
    write(tmp_path / "b/same.py", "class Own: value = 'b'")
    assert [PARTS.get(f"{folder}/same.py:Own").value for folder in "abab"] == ["a", "b", "a", "b"]


def test_a_file_does_not_hide_an_installed_module(tmp_path):
    write(tmp_path / "colorsys.py", "class Own: pass")
    found = PARTS.get("colorsys.py:Own")
    import colorsys

    assert found.__module__.startswith("colorsys_")
    assert not hasattr(colorsys, "Own")


@pytest.mark.parametrize("name", ["pickled", "colorsys"])
def test_objects_of_a_file_can_be_pickled(tmp_path, name):
    write(tmp_path / f"{name}.py", "class Own: value = 7")
    found = PARTS.get(f"{name}.py:Own")
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.py:Own", "there is no file {here}/missing.py."),
        ("no_such_module:Own", "no_such_module cannot be imported: No module named 'no_such_mod"),
        ("json.decoder:JSONDecodr", "json.decoder defines no 'JSONDecodr'; did you mean 'JSONDec"),
        ("json.decoder:Zzz", "json.decoder defines no 'Zzz'; check the spelling."),
        (":Own", "':Own' is no import path; write package.module:Name or path/to/file.py:Name."),
        ("json:", "'json:' is no import path; write package.module:Name or path/to/file.py:Name."),
        ("fails.py:Own", "fails.py cannot be imported: ZeroDivisionError: division by zero (fail"),
        ("nonsense.py:Own", "nonsense.py cannot be imported: invalid syntax (nonsense.py, line 1)"),
        ("needs.py:Own", "needs.py cannot be imported: No module named 'absent_module' (needs.py,"),
    ],
)
def test_a_wrong_path_is_one_sentence(tmp_path, path, message):
    write(tmp_path / "fails.py", "1 / 0")
    write(tmp_path / "nonsense.py", "class class")
    write(tmp_path / "needs.py", "import absent_module")
    with pytest.raises(UnknownNameError, match=re.escape(message.format(here=tmp_path))):
        PARTS.get(path)


@pytest.mark.parametrize("name", ["fixed", "colorsys"])
def test_a_file_that_failed_can_be_imported_once_it_is_fixed(tmp_path, name):
    file = write(tmp_path / f"{name}.py", "1 / 0")
    with pytest.raises(UnknownNameError):
        PARTS.get(f"{file}:Own")
    write(file, "class Own: value = 'fixed'")
    assert PARTS.get(f"{file}:Own").value == "fixed"


def test_modules_register_what_they_define(tmp_path):
    sys.modules["the_parts"] = type(sys)("the_parts")
    sys.modules["the_parts"].PARTS = registry = Registry("part")
    text = "from the_parts import PARTS\n@PARTS.register()\nclass Own: name = '{}'"
    write(tmp_path / "first_part.py", text.format("first"))
    write(tmp_path / "second_part.py", text.format("second"))
    load_modules(["first_part", "second_part.py"])
    load_modules(["first_part.py", "second_part"])
    assert registry.names() == ("first", "second")


def test_a_module_to_load_that_fails_says_why():
    with pytest.raises(UnknownNameError, match="no_such_module cannot be imported"):
        load_modules(["no_such_module"])


SCRIPT = """
import sys
from open_registry import Registry
parts = Registry("part", {"json": "json.decoder:JSONDecoder"})
print(parts.get(sys.argv[1]).__name__)
"""


def found_elsewhere(address: str, folder: Path) -> str:
    """Name of what a new process, started in another folder, finds by an address."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SCRIPT, address]
    environment = {"PYTHONPATH": str(root)}
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("path", ["folder/addressed.py:Own", "folder.addressed:Own"])
def test_an_address_leads_another_process_to_the_same_class(tmp_path, path):
    file = write(tmp_path / "folder/addressed.py", "class Own: pass")
    address = PARTS.address(path)
    assert address == f"{file}:Own"
    assert PARTS.is_importable(path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert found_elsewhere(address, other) == "Own"


@pytest.mark.parametrize("name", ["json", json.JSONDecoder])
def test_the_address_of_a_built_in_one_is_its_name(name):
    PARTS.get("json")
    assert PARTS.address(name) == "json"
    assert PARTS.is_importable(name)


@pytest.mark.parametrize("name", ["yaml:SafeLoader", "json.encoder:JSONEncoder"])
def test_what_is_installed_keeps_its_path(name):
    assert PARTS.address(name) == name


def test_a_registered_class_of_a_file_has_the_path_of_the_file():
    registry = Registry("part")
    registry.register("inner")(Here.Inner)
    assert registry.address("inner") == f"{Path(__file__).resolve()}:Here.Inner"
    assert registry.is_importable("inner")


def test_a_class_that_is_not_registered_has_an_address():
    assert PARTS.address(Here) == f"{Path(__file__).resolve()}:Here"


def test_what_is_defined_in_a_function_is_told_by_its_name():
    registry = Registry("part")

    @registry.register("local")
    class Own:
        pass

    assert registry.address("local") == registry.address(Own) == "local"
    assert not registry.is_importable("local")


def test_what_nothing_can_find_has_no_address():
    class Own:
        pass

    with pytest.raises(UnknownNameError, match="other processes cannot import the part"):
        PARTS.address(Own)


def run(command: list[str], text: str | None = None) -> str:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        command, input=text, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


MAIN = """
from open_registry import Registry
parts = Registry("part")
@parts.register("own")
class Own: pass
print(parts.address("own"), parts.is_importable("own"))
assert parts.get(parts.address("own")) is Own
"""


def test_a_script_is_told_by_its_file_and_not_run_again(tmp_path):
    script = write(tmp_path / "script.py", MAIN)
    assert run([sys.executable, str(script)]) == f"{script}:Own True"


def test_an_interactive_session_has_only_the_name():
    assert run([sys.executable], MAIN) == "own False"
