from __future__ import annotations

import io

import pytest
from rich.table import Table

from nas.report.progress import EpochProgress
from nas.results import Records
from nas.terminal import plain_console, say, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb\x07", "a\\rb\\x07"),
        ("two\nlines", "two\nlines"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\udc80b", "a\\udc80b"),
        ("\x9b31m", "\\x9b31m"),
        ("größe 日本 👨\u200d👩", "größe 日本 👨\u200d👩"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str, capsys) -> None:
    assert visible(text) == shown
    say(text)
    assert capsys.readouterr().out == shown + "\n"


@pytest.mark.parametrize("name", ["[/b]", "[link=http://x]y[/link]", ":smile:", "[red]", "\\[x]"])
def test_a_table_shows_a_name_as_it_is(name: str) -> None:
    out = io.StringIO()
    table = Table(title=name)
    table.add_column(name)
    table.add_row(name)
    plain_console(file=out, width=100).print(table, name)
    assert out.getvalue().count(name) == 4


def test_a_console_passes_no_escape_code_on() -> None:
    out = io.StringIO()
    plain_console(file=out, force_terminal=False).print("a\x1b]0;title\x07b")
    assert "\x1b" not in out.getvalue()


def test_progress_and_records_show_names_as_they_are() -> None:
    out = io.StringIO()
    with EpochProgress(plain_console(file=out)) as progress:
        progress.say("class [/b] \x1b[2J")
    assert "class [/b] \\x1b[2J" in out.getvalue()
    assert "[/b]" in str(Records([{"[/b]": "[/i]"}]))
