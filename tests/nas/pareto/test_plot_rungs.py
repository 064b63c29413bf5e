from __future__ import annotations

import numpy as np
import pytest

from nas.pareto.objectives import ParetoError
from nas.pareto.plot_rungs import plot_rungs
from nas.pareto.rungs import RungPanel, RungScores

BOTH = np.array([[0.50, 0.70], [0.55, 0.60], [0.60, 0.80]])


def scores(name="demo", both=BOTH, cut_short=(), note=""):
    return RungScores(name, both, np.array(cut_short, dtype=float), note)


def panel(*searches, early="stage0", late="stage1"):
    return RungPanel(early, late, searches or (scores(),))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_earlier_rung_is_drawn_along_the_later_one() -> None:
    figure = plot_rungs([panel()])
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Quality at stage0", "Quality at stage1")
    assert np.asarray(axes.collections[0].get_offsets()) == pytest.approx(BOTH)
    assert legend(figure) == ["candidate", "equal quality"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_axes_show_the_candidates_and_no_more(count) -> None:
    figure = plot_rungs([panel(scores(cut_short=[0.45]))] * count)
    figure.canvas.draw()
    assert len(figure.axes) == count
    for axes in figure.axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert 0.4 < left < 0.45 and 0.6 < right < 0.65
        assert 0.55 < bottom < 0.6 and 0.8 < top < 0.85


def test_what_was_cut_short_is_a_tick_at_its_early_score() -> None:
    figure = plot_rungs([panel(scores(cut_short=[0.4, 0.45]))])
    ticks = figure.axes[0].collections[1].get_segments()
    assert [tick[:, 0].tolist() for tick in ticks] == [[0.4, 0.4], [0.45, 0.45]]
    assert legend(figure) == ["candidate", "cut short between", "equal quality"]


def test_searches_have_their_own_notes_which_do_not_overlap() -> None:
    searches = scores("a", note="first"), scores("b"), scores("c", note="third")
    figure = plot_rungs([panel(*searches)])
    figure.canvas.draw()
    axes = figure.axes[0]
    assert legend(figure) == ["a", "b", "c", "equal quality"]
    above = sorted(axes.texts, key=lambda text: -text.get_window_extent().y0)
    assert [text.get_text() for text in above] == ["first", "third"]
    first, third = (text.get_window_extent() for text in above)
    assert first.y0 >= third.y1 - 1 and third.y0 > axes.bbox.y1
    colours = [dots.get_facecolor()[0][:3].tolist() for dots in axes.collections[::2]]
    assert len({tuple(colour) for colour in colours}) == 3


def test_a_search_without_candidates_at_both_rungs_leaves_the_others_their_place() -> None:
    none = scores("none", np.empty((0, 2)), [0.5])
    figure = plot_rungs([panel(none, scores())])
    sizes = [len(dots.get_offsets()) for dots in figure.axes[0].collections[::2]]
    assert sizes == [0, 3]


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(ParetoError, match="no rungs to draw"):
        plot_rungs([])
