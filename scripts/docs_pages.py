"""Collects the pages of the documentation in build/pages, for `make docs`.

Those of docs/ are taken as they are, and the first page is the README. The reference is made from
the code: every name of `nas`, every command with its options, every key of a configuration with its
default.
"""

from __future__ import annotations

import json
import re
import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import typer
from griffe import Docstring, DocstringSectionKind
from pydantic_core import PydanticUndefined, to_jsonable_python
from typer.cli import get_docs_for_click

import nas
from nas.cli.app import app
from nas.experiments.config import experiment_config
from nas.experiments.pretraining import PretrainingConfig
from nas.kinds.registry import kind_names
from nas.mutual_learning.settings import MutualConfig
from nas.searching.config import TableSearchConfig, image_config
from nas.settings import Settings

Row = tuple[str, str, str]
ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "pages"
# What lies in the repository and is no page.
ELSEWHERE = re.compile(
    r"\[([^]]*)\]\((?:\.\./)*(?:examples|benchmarks|scripts|CONTRIBUTING|LICENSE)[^)]*\)"
)


def main() -> None:
    """Writes all pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    for page in PAGES.rglob("*.md"):
        page.write_text(_without_links_out(page.read_text(encoding="utf-8")), encoding="utf-8")
    _write("index.md", _overview())
    _write("reference/python.md", _python())
    _write("reference/commands.md", _commands())
    _write("reference/configuration.md", _configuration())


def _write(page: str, text: str) -> None:
    path = PAGES / page
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _without_links_out(text: str) -> str:
    return ELSEWHERE.sub(r"\1", text)


def _overview() -> str:
    """The README, with links from the folder of the pages."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return _without_links_out(text).replace("](docs/", "](")


def _python() -> str:
    names = sorted(set(nas.__all__) - {"UserError"}, key=str.lower)
    entries = [
        f"::: {nas._MODULES[name]}.{name}\n    options: {{heading: nas.{name}}}" for name in names
    ]
    return "# Python, in full\n\n" + "\n\n".join(entries) + "\n"


def _commands() -> str:
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="nas"), name="nas")
    return text.replace("# `nas`", "# Commands", 1)


def _configuration() -> str:
    """Tables of keys, those of all kinds of tasks first."""
    parts = [
        "# Configuration",
        "Every key can stand in the YAML file of `--config`, behind `--set` as KEY=VALUE, and in "
        "the `config` of Python.",
    ]
    for kind in kind_names():
        parts += _keys(f"nas search, {kind}", image_config(kind))
    parts += _keys("nas search --table", TableSearchConfig)
    for kind in kind_names():
        parts += _keys(f"nas train and nas distill, {kind}", experiment_config(kind))
    parts += _keys("nas mutual", MutualConfig)
    parts += _keys("nas pretrain", PretrainingConfig)
    return "\n\n".join(parts) + "\n"


def _keys(title: str, model: type[Settings]) -> list[str]:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key, default, meaning in _rows(model):
        if not meaning:
            raise SystemExit(f"{model.__name__}: no docstring says what {key} means.")
        rows.append(f"| `{key}` | {default} | {meaning} |")
    return [f"## {title}", "\n".join(rows)]


def _rows(model: type[Settings], values: Settings | None = None, prefix: str = "") -> Iterator[Row]:
    """Dotted key, default and meaning of each setting, sections first told as a whole.

    Args:
        model: The settings.
        values: What they are unless given, where that differs from the model's own defaults.
        prefix: Of the keys.
    """
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        default = field.get_default(call_default_factory=True, validated_data={})
        default = default if values is None else getattr(values, name)
        inner = _section(field.annotation)
        section = default if isinstance(default, Settings) else None
        yield key, "" if section else _shown(default), meanings.get(name, "")
        if inner is not None:
            yield from _rows(type(section) if section else inner, section, f"{key}.")


def _section(annotation: Any) -> type[Settings] | None:
    """The settings within a field, unless it is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        found = [_section(argument) for argument in get_args(annotation)]
        return next((one for one in found if one is not None), None)
    return None


def _meanings(model: type[Settings]) -> dict[str, str]:
    """What the docstrings of a model and of its bases say of its attributes."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        text = base.__dict__.get("__doc__")
        if not text or not issubclass(base, Settings):
            continue
        for section in Docstring(text).parse("google", warnings=False):
            if section.kind is DocstringSectionKind.attributes:
                for attribute in section.value:
                    found[attribute.name] = _in_a_cell(attribute.description)
    return found


def _shown(default: Any) -> str:
    if default is PydanticUndefined:
        return "needed"
    return f"`{_in_a_cell(json.dumps(to_jsonable_python(default)))}`"


def _in_a_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")


main()
