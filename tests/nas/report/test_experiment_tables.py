from __future__ import annotations

import io

import pytest
from rich.console import Console

from nas.distillation import describe
from nas.experiments.evaluation import RunEvaluation
from nas.experiments.run import Summary
from nas.report.experiments import evaluation_table, losses_table, summary_table


def printed(table, width=80):
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue()


def rows(text):
    """Cells by the name of the row."""
    lines = (line.split("│") for line in text.splitlines() if line.startswith("│"))
    return {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines}


def summary(values, stages=None, teacher=None):
    seeds = tuple(range(5, 5 + len(values)))
    figures = {"accuracy": values, "mean_class_accuracy": [v / 2 for v in values]}
    return Summary(seeds, teacher, figures, stages or {"training": values})


def test_several_seeds_have_their_mean_and_sample_standard_deviation():
    text = printed(summary_table(summary([0.5, 0.7, 0.9])))
    assert rows(text) == {
        "accuracy": ["0.7000 ± 0.2000", "0.5000", "0.7000", "0.9000"],
        "mean per-class accuracy": ["0.3500 ± 0.1000", "0.2500", "0.3500", "0.4500"],
    }
    assert all(f"seed {seed}" in text for seed in (5, 6, 7))


def test_a_single_seed_has_no_spread():
    text = printed(summary_table(summary([0.5])))
    assert rows(text)["accuracy"] == ["0.5000"]
    assert "±" not in text
    assert "sample std" not in text


def test_the_teacher_is_shown_beside_its_students():
    teacher = {"accuracy": 0.95, "mean_class_accuracy": 0.9}
    found = rows(printed(summary_table(summary([0.5, 0.7], teacher=teacher))))
    assert found["teacher, accuracy"] == ["0.9500", "", ""]
    assert found["teacher, mean per-class accuracy"] == ["0.9000", "", ""]


def test_stages_are_shown_where_there_are_several():
    found = rows(printed(summary_table(summary([0.5], {"hint": [0.1], "soft": [0.5]}))))
    assert (found["accuracy after hint"], found["accuracy after soft"]) == (["0.1000"], ["0.5000"])
    assert not any("after" in name for name in rows(printed(summary_table(summary([0.5])))))


def test_an_evaluation_has_a_row_for_every_figure_and_its_views():
    figures = {
        "none": {"accuracy": [0.5, 0.7], "mean_class_accuracy": [0.4, 0.4]},
        "flip": {"accuracy": [0.6, 0.8], "mean_class_accuracy": [0.5, 0.5]},
    }
    text = printed(evaluation_table(RunEvaluation("test", (0, 1), figures)), 100)
    assert text.startswith("Test")
    assert rows(text) == {
        "accuracy": ["0.6000 ± 0.1414", "0.5000", "0.7000"],
        "mean per-class accuracy": ["0.4000 ± 0.0000", "0.4000", "0.4000"],
        "accuracy, flipped too": ["0.7000 ± 0.1414", "0.6000", "0.8000"],
        "mean per-class accuracy, flipped too": ["0.5000 ± 0.0000", "0.5000", "0.5000"],
    }


@pytest.mark.parametrize("width", [80, 200])
def test_losses_are_listed_whole_in_a_narrow_terminal_too(width):
    text = printed(losses_table(describe()), width)
    assert max(map(len, text.splitlines())) <= width
    assert set(rows(text)) - {""} == {loss.name for loss in describe()}
    for loss in describe():
        assert loss.link in text
    assert "options: temperature=4.0" in text
