"""The page as one HTML file: its values, its style and its code are within it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from nas.errors import UserError
from nas.files import DiskFullError, is_disk_full, replacing

_PARTS = files("nas.report.page")


def document(title: str, values: Mapping[str, Any] | None, live: str | None = None) -> str:
    """The page.

    Args:
        title: In the head and on the tab.
        values: What it shows; see `nas.report.page.contents`. None for a page that asks for it.
        live: Path of the address that gives the values anew, for a page that follows a search.
    """
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _read("page.css"),
        "PLOTLY": get_plotlyjs(),
        "CODE": _read("page.js"),
        "VALUES": in_script(values),
        "LIVE": in_script(live),
    }
    text = _read("page.html")
    # One after the other, and each once: what is put in is not looked at again.
    pieces = []
    for name, part in parts.items():
        before, text = text.split(f"@{name}@", 1)
        pieces += [before, part]
    return "".join([*pieces, text])


def write_page(path: Path, text: str) -> None:
    """Writes the page, whole or not at all.

    Raises:
        UserError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(path) from error
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from error


def in_script(values: Any) -> str:
    """Values as JSON that cannot end the script element that they stand in."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _read(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
