from __future__ import annotations

from latency.counting.liveness import Step, peak_bytes


def step(inputs: str, output: str, size: int, **options) -> Step:
    return Step(tuple(inputs), {output: size}, **options)


def test_a_chain_needs_two_neighbours_at_once():
    steps = [step("x", "a", 30), step("a", "b", 20), step("b", "c", 5)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 50


def test_a_value_that_is_read_later_stays():
    steps = [step("x", "a", 30), step("a", "b", 20), step("xb", "c", 5)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 60


def test_results_stay_to_the_end():
    steps = [step("x", "a", 30), step("x", "b", 20), step("b", "c", 40)]
    assert peak_bytes({"x": 10}, steps, ["a", "c"]) == 90
    assert peak_bytes({"x": 10}, steps, ["c"]) == 60


def test_a_value_that_nothing_reads_goes_at_once():
    steps = [step("x", "a", 100), step("x", "b", 20), step("b", "c", 20)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 110


def test_an_output_takes_the_place_of_an_input_that_goes():
    steps = [step("x", "a", 30), step("a", "b", 30, overwrites=("a",)), step("b", "c", 1)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 40


def test_an_input_that_is_read_later_is_not_overwritten():
    steps = [step("x", "a", 30), step("a", "b", 30, overwrites=("a",)), step("ab", "c", 1)]
    assert peak_bytes({"x": 10}, steps, ["c"]) == 61


def test_an_input_of_another_size_is_not_overwritten():
    steps = [step("x", "a", 30), step("a", "b", 20, overwrites=("a",))]
    assert peak_bytes({"x": 10}, steps, ["b"]) == 50


def test_a_view_takes_nothing_and_keeps_what_it_shows():
    steps = [step("x", "a", 30), step("a", "v", 30, is_view=True), step("x", "b", 7)]
    assert peak_bytes({"x": 10}, steps, ["v", "b"]) == 47


def test_what_a_view_shows_is_not_overwritten():
    steps = [
        step("x", "a", 30),
        step("a", "v", 30, is_view=True),
        step("a", "b", 30, overwrites=("a",)),
    ]
    assert peak_bytes({"x": 1}, steps, ["v", "b"]) == 60


def test_the_input_alone_may_be_the_peak():
    assert peak_bytes({"x": 10}, [], ["x"]) == 10
