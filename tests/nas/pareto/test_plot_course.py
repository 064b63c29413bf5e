from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.pareto.course import Course
from nas.pareto.objectives import ParetoError
from nas.pareto.plot_course import plot_course


def course(name="demo", count=6, **changes):
    grow = np.linspace(0.2, 0.7, count)
    found = Course(
        name=name,
        trials=np.arange(count),
        best={"reward": grow / 2, "quality": grow},
        hypervolume={"flops": grow**2},
        references={"flops": 3.0},
        repeats=np.arange(count) >= count // 2,
    )
    return replace(found, **changes)


def lines(figure, panel):
    return [line.get_xydata() for line in figure.axes[panel].get_lines()]


def test_every_curve_has_a_panel_and_the_repeats_the_last() -> None:
    figure = plot_course([course()], {"flops": "FLOPs"})
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert labels == [
        *("Best reward", "Best quality", "Hypervolume (quality, FLOPs)"),
        "Repeats in the latest 10",
    ]
    assert figure.axes[-1].get_xlabel() == "Iteration"
    expected = course()
    for panel, values in enumerate([*expected.best.values(), *expected.hypervolume.values()]):
        (line,) = lines(figure, panel)
        assert line == pytest.approx(np.stack([expected.trials, values], axis=1))
    (shares,) = lines(figure, 3)
    assert shares[:, 1] == pytest.approx([0, 0, 0, 1 / 4, 2 / 5, 3 / 6])


def test_a_cost_without_a_label_is_called_by_its_name() -> None:
    panel = plot_course([course()]).axes[2]
    assert panel.get_ylabel() == "Hypervolume\n(quality, flops)"


def test_what_was_found_holds_until_something_better_is() -> None:
    flat = np.array([np.nan, 0.5, 0.5, 0.6, 0.6, 0.6])
    (line,) = plot_course([course(best={"quality": flat})]).axes[0].get_lines()
    assert line.get_drawstyle() == "steps-post"
    assert line.get_markevery() == [1, 3]


def test_a_long_search_looks_back_over_a_tenth_of_it() -> None:
    figure = plot_course([course(count=200)])
    assert figure.axes[-1].get_ylabel() == "Repeats in the\nlatest 20"


def test_several_searches_are_told_apart_without_colours() -> None:
    figure = plot_course([course("a"), course("b", count=9)])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert [len(line) for line in lines(figure, 0)] == [6, 9]
    styles = [line.get_linestyle() for line in figure.axes[0].get_lines()]
    assert len(set(styles)) == 2


def test_one_trial_is_a_dot_at_its_number() -> None:
    figure = plot_course([course(count=1)])
    figure.canvas.draw()
    assert figure.axes[-1].get_xticks().tolist() == [0]
    assert figure.axes[0].get_lines()[0].get_markevery() == [0]


@pytest.mark.parametrize(
    ("courses", "message"),
    [
        ([], "no search to draw"),
        ([course(), course()], "two searches are named 'demo'"),
        ([course(count=0)], "no finished trial yet"),
        ([course(), course("other", references={"flops": 4.0})], "the same was followed"),
        ([course(), course("other", best={})], "the same was followed"),
    ],
)
def test_what_cannot_be_drawn_is_refused(courses, message) -> None:
    with pytest.raises(ParetoError, match=message):
        plot_course(courses)
