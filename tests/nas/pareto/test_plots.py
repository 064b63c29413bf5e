from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from nas.pareto.candidates import Candidate, Series
from nas.pareto.figures import save
from nas.pareto.objectives import Objective, ParetoError
from nas.pareto.plot_comparison import plot_comparison
from nas.pareto.plot_front import plot_front
from nas.pareto.plot_iterations import plot_iterations

QUALITY = Objective("quality", "maximise", "Quality")
FLOPS = Objective("flops", "minimise", "FLOPs", prefixed=True)
PARAMS = Objective("params", "minimise", "Parameters", prefixed=True)
LATENCY = Objective("latency", "minimise", "Latency", "ms")


def search(name: str = "demo", count: int = 30, seed: int = 0) -> Series:
    rng = np.random.default_rng(seed)
    return Series(
        name,
        tuple(
            Candidate(
                trial,
                trial,
                {
                    "quality": float(rng.uniform(0.2, 0.8)),
                    "flops": float(rng.uniform(0.5e9, 5e9)),
                    "params": float(rng.uniform(2e5, 9e5)),
                    "latency": float(rng.uniform(5, 50)),
                },
            )
            for trial in range(count)
        ),
    )


def values(series: Series, name: str) -> np.ndarray:
    return np.array([candidate.values[name] for candidate in series.candidates])


def labels(figure: Figure) -> list[Annotation]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation)]


def test_a_limit_is_a_line_in_the_unit_of_the_axis() -> None:
    figure = plot_front([search()], PARAMS, QUALITY, [300e3, 300e3])
    lines = [line for line in figure.axes[0].lines if list(line.get_xdata()) == [300.0, 300.0]]
    assert len(lines) == 1
    (legend,) = figure.legends or [figure.axes[0].get_legend()]
    assert "limit of 300" in [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("objective", "label", "unit"),
    [(FLOPS, "FLOPs (G)", 1e9), (PARAMS, "Parameters (K)", 1e3), (LATENCY, "Latency (ms)", 1.0)],
)
def test_a_front_plots_the_quantity_that_its_axis_names(
    objective: Objective, label: str, unit: float
) -> None:
    series = search()
    axes = plot_front([series], objective, QUALITY).axes[0]
    offsets = np.asarray(axes.collections[0].get_offsets())
    assert axes.get_xlabel() == label
    assert axes.get_ylabel() == "Quality"
    assert offsets[:, 0] * unit == pytest.approx(values(series, objective.name))
    assert offsets[:, 1] == pytest.approx(values(series, "quality"))


def test_a_front_is_coloured_by_iterations_from_zero() -> None:
    figure = plot_front([search(count=30)], FLOPS, QUALITY)
    colours = figure.axes[0].collections[0].get_array()
    assert colours is not None
    assert np.asarray(colours).tolist() == list(range(30))
    assert figure.axes[1].get_ylabel() == "Iteration"
    assert figure.axes[1].get_ylim() == (0, 29)


def test_the_front_over_several_searches_is_drawn_as_one() -> None:
    def one(trial: int, quality: float, flops: float) -> Candidate:
        return Candidate(trial, trial, {"quality": quality, "flops": flops})

    first = Series("a", (one(0, 0.5, 2e9), one(1, 0.6, 4e9)))
    second = Series("b", (one(0, 0.7, 3e9), one(1, 0.4, 2.5e9)))
    axes = plot_front([first, second], FLOPS, QUALITY).axes[0]
    assert axes.get_lines()[0].get_xydata().tolist() == [[2.0, 0.5], [3.0, 0.7]]
    assert axes.get_lines()[0].get_drawstyle() == "steps-post"


def test_a_front_towards_large_values_steps_before_its_points() -> None:
    throughput = Objective("throughput", "maximise")
    series = Series(
        "demo",
        (
            Candidate(0, 0, {"quality": 0.5, "throughput": 10.0}),
            Candidate(1, 1, {"quality": 0.3, "throughput": 20.0}),
        ),
    )
    line = plot_front([series], throughput, QUALITY).axes[0].get_lines()[0]
    assert line.get_xydata().tolist() == [[10.0, 0.5], [20.0, 0.3]]
    assert line.get_drawstyle() == "steps-pre"


@pytest.mark.parametrize("count", [24, 300])
def test_front_labels_are_trials_that_neither_overlap_nor_leave_the_axes(count: int) -> None:
    series = search(count=count, seed=count)
    figure = plot_front([series], FLOPS, QUALITY)
    figure.canvas.draw()
    axes = figure.axes[0]
    drawn = labels(figure)
    boxes = [label.get_window_extent() for label in drawn]
    flops = values(series, "flops") / 1e9
    for label, (x, _) in zip(drawn, [label.xy for label in drawn], strict=True):
        assert flops[int(label.get_text())] == pytest.approx(x)
    assert len(drawn) == len(axes.get_lines()[0].get_xdata())
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


def test_equal_points_on_the_front_share_a_label() -> None:
    same = {"quality": 0.5, "flops": 2e9}
    series = Series("demo", (Candidate(0, 0, same), Candidate(3, 3, same)))
    assert [label.get_text() for label in labels(plot_front([series], FLOPS, QUALITY))] == ["0, 3"]


def test_a_long_front_has_twelve_labels_with_both_ends() -> None:
    members = (Candidate(i, i, {"quality": i / 40, "flops": 1e9 + i * 1e8}) for i in range(40))
    figure = plot_front([Series("demo", tuple(members))], FLOPS, QUALITY)
    texts = [label.get_text() for label in labels(figure)]
    assert len(texts) == 12
    assert (texts[0], texts[-1]) == ("0", "39")


def test_a_single_candidate_can_be_drawn() -> None:
    figure = plot_front([search(count=1)], FLOPS, QUALITY)
    assert [label.get_text() for label in labels(figure)] == ["0"]


def test_a_comparison_draws_every_search_with_its_own_front() -> None:
    searches = [search("baseline", 30, 1), search("penalised", 20, 2)]
    figure = plot_comparison(searches, FLOPS, QUALITY)
    axes = figure.axes[0]
    offsets = [np.asarray(dots.get_offsets()) for dots in axes.collections]
    assert [len(points) for points in offsets] == [30, 20]
    assert offsets[1][:, 0] * 1e9 == pytest.approx(values(searches[1], "flops"))
    for line, series in zip(axes.get_lines(), searches, strict=True):
        best = line.get_xydata()
        assert best[0, 0] == pytest.approx(values(series, "flops").min() / 1e9)
        assert best[-1, 1] == pytest.approx(values(series, "quality").max())
    styles = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == 2


def test_the_legend_of_a_comparison_is_inside_the_picture_and_outside_the_axes() -> None:
    searches = [search(f"runs/faces-2025-01-0{i}-flops-seed{i}", 5, i) for i in range(8)]
    figure = plot_comparison(searches, FLOPS, QUALITY)
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:8] == [series.name for series in searches]
    assert figure.bbox.x0 <= legend.x0 and legend.x1 <= figure.bbox.x1
    assert legend.y0 >= figure.axes[0].bbox.y1
    assert figure.axes[0].bbox.height > 2.5 * figure.dpi


def test_iterations_have_a_panel_and_boxes_of_the_right_median_for_each_quantity() -> None:
    series = search(count=100)
    figure = plot_iterations([series], [QUALITY, FLOPS], bins=4)
    assert [axes.get_ylabel() for axes in figure.axes] == ["Quality", "FLOPs (G)"]
    assert figure.axes[1].get_xlabel() == "Iteration"
    assert figure.axes[1].get_xticks().tolist() == [0, 25, 50, 75, 100]
    expected = [np.median(part) for part in np.split(values(series, "flops") / 1e9, 4)]
    assert medians(figure, 1) == pytest.approx(expected)


def test_a_small_search_has_at_least_five_candidates_in_a_box() -> None:
    figure = plot_iterations([search(count=24)], [QUALITY])
    assert figure.axes[0].get_xticks().tolist() == [0, 6, 12, 18, 24]


def test_several_searches_have_boxes_side_by_side() -> None:
    searches = [search("a", 40, 1), search("b", 40, 2)]
    figure = plot_iterations(searches, [QUALITY], bins=2)
    halves = [part for series in searches for part in np.split(values(series, "quality"), 2)]
    assert medians(figure, 0) == pytest.approx([np.median(half) for half in halves])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:2] == ["a", "b"]


def test_iterations_without_trials_leave_a_gap() -> None:
    members = [Candidate(i, i, {"quality": 0.5}) for i in [*range(10), *range(30, 40)]]
    figure = plot_iterations([Series("demo", tuple(members))], [QUALITY], bins=4)
    assert figure.axes[0].get_xticks().tolist() == [0, 10, 20, 30, 40]
    assert len(medians(figure, 0)) == 2


def medians(figure: Figure, panel: int) -> list[float]:
    lines = figure.axes[panel].get_lines()
    return [line.get_ydata()[0] for line in lines if line.get_linewidth() == 1.6]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_front([], FLOPS, QUALITY), "no search to draw"),
        (lambda: plot_comparison([search(), search()], FLOPS, QUALITY), "two searches .* 'demo'"),
        (lambda: plot_iterations([search()], []), "no quantity to draw"),
        (lambda: plot_iterations([search()], [QUALITY], bins=0), "at least one bin, not 0"),
    ],
)
def test_pictures_of_nothing_are_refused(draw: object, message: str) -> None:
    with pytest.raises(ParetoError, match=message):
        draw()


def test_a_picture_is_saved_in_every_format(tmp_path: Path) -> None:
    figure = plot_comparison([search()], FLOPS, QUALITY)
    written = save(figure, tmp_path / "new" / "front.v2")
    assert [path.name for path in written] == ["front.v2.png", "front.v2.svg", "front.v2.pdf"]
    starts = [path.read_bytes()[:5] for path in written]
    assert starts == [b"\x89PNG\r", b"<?xml", b"%PDF-"]
    # 5 × 3.6 inches at 200 dots per inch.
    assert int.from_bytes(written[0].read_bytes()[16:20]) == 1000
    assert int.from_bytes(written[0].read_bytes()[20:24]) == 720


@pytest.mark.parametrize("name", ["svg", "pdf"])
def test_a_picture_saved_twice_is_the_same_file(tmp_path: Path, name: str) -> None:
    figure = plot_comparison([search(count=5)], FLOPS, QUALITY)
    (first,), (second,) = (
        save(figure, tmp_path / "a", (name,)),
        save(figure, tmp_path / "b", (name,)),
    )
    assert first.read_bytes() == second.read_bytes()


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    figure = plot_comparison([search()], FLOPS, QUALITY)
    with pytest.raises(ParetoError, match="unknown format 'jpg'; choose from: png, svg, pdf"):
        save(figure, tmp_path / "front", ("png", "jpg"))
    assert list(tmp_path.iterdir()) == []


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    before = dict(matplotlib.rcParams)
    plot_front([search(count=5)], FLOPS, QUALITY)
    assert dict(matplotlib.rcParams) == before
