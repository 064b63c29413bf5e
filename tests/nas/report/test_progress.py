from __future__ import annotations

import io
import re

from rich.console import Console

from nas.report.progress import EpochProgress
from nas.training.trainer import EpochRecord


def test_without_a_terminal_every_epoch_is_a_line_with_the_time_left() -> None:
    text = io.StringIO()
    with EpochProgress(Console(file=text, width=40)) as progress:
        for epoch in range(2):
            progress.show("teacher", EpochRecord(epoch, 0.5, 0.25, True, seconds=2.5), 2)
    first, second = text.getvalue().splitlines()
    form = r"\d\d:\d\d:\d\d teacher  epoch 1/2  loss 0\.5000  score 0\.2500  2\.5 s left"
    assert re.fullmatch(form, first)
    assert second.endswith("epoch 2/2  loss 0.5000  score 0.2500  0.0 s left")


def test_the_time_left_is_that_of_the_training_alone() -> None:
    text = io.StringIO()
    with EpochProgress(Console(file=text, width=80)) as progress:
        for what, epoch, seconds in (("a", 0, 1.0), ("b", 0, 5.0), ("a", 1, 3.0), ("b", 7, 5.0)):
            progress.show(what, EpochRecord(epoch, 0.5, 0.25, True, seconds=seconds), 10)
    assert re.findall(r"(\S+ s) left", text.getvalue()) == ["9.0 s", "45.0 s", "16.0 s", "10.0 s"]


def test_a_terminal_shows_a_bar_for_each_training() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, color_system=None)
    with EpochProgress(console) as progress:
        progress.show("encoder", EpochRecord(0, 0.5, 0.25, True), 1)
        progress.show("teacher", EpochRecord(1, 0.5, 0.25, True), 4)
    encoder, teacher, _ = text.getvalue().splitlines()[-3:]
    assert "encoder" in encoder and "1/1" in encoder
    assert "teacher" in teacher and "2/4" in teacher and "score 0.2500" in teacher


def test_a_sentence_is_printed_as_it_is() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=20, color_system=None)
    with EpochProgress(console) as progress:
        progress.say("base of the penalty [on flops]: 1.2e+06")
    assert "base of the penalty [on flops]: 1.2e+06" in text.getvalue()


def test_the_score_is_called_by_its_name_and_the_loss_is_not_shown_twice() -> None:
    text = io.StringIO()
    with EpochProgress(Console(file=text, width=80)) as progress:
        named = EpochRecord(0, 0.5, 0.25, True, monitor="mean_class_accuracy")
        progress.show("student", named, 3)
        progress.show("student", EpochRecord(1, 0.5, 0.5, True, monitor="train_loss"), 3)
    first, second = text.getvalue().splitlines()
    assert "loss 0.5000  mean class accuracy 0.2500  " in first
    assert second.count("0.5000") == 1
