from __future__ import annotations

import json

import pytest

from nas.errors import UserError
from nas.report.page.document import document, in_script, write_page


def test_no_text_ends_the_script_that_it_stands_in() -> None:
    name = "</script><script>alert(1)</script>\u2028"
    text = in_script({"name": name})
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text) == {"name": name}


def test_the_title_is_escaped() -> None:
    assert "<title>&lt;b&gt;</title>" in document("<b>", None)


def test_a_placeholder_among_the_values_is_a_text_like_any_other() -> None:
    text = document("@VALUES@", {"name": "@LIVE@"})
    assert '"@LIVE@"' in text and "<title>@VALUES@</title>" in text


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_page(tmp_path / "file" / "report.html", "")
