from __future__ import annotations

import pytest
from matplotlib.text import Text

from nas.pareto import figures


@pytest.mark.parametrize("name", ["$x^$", "c$\\foo$", "b$x_1$", "_run", "日本", "a\\$b", "50 $"])
def test_a_name_is_a_label_as_it_is(name: str, tmp_path) -> None:
    with figures.paper_style():
        figure = figures.new_figure()
        figures.add_legend(figure, [figures.handle()], [figures.shown(name)])
    (path,) = figures.save(figure, tmp_path / "picture", ("png",))
    assert path.stat().st_size > 0
    (label,) = [text for text in figure.findobj(Text) if text.get_text() == figures.shown(name)]
    text, is_formula = label._preprocess_math(label.get_text())
    assert not is_formula
    assert text == name


def test_a_label_obeys_nothing() -> None:
    assert figures.shown("\x1b[31m") == "\\x1b[31m"
