"""Many files that are read in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from nas.tasks.reading_many import each


@pytest.fixture(params=[1, 3])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("nas.tasks.reading_many.available_cpus", lambda: request.param)
    return int(request.param)


@pytest.mark.usefixtures("cores")
def test_results_come_in_the_order_of_the_items() -> None:
    assert list(each(lambda item: item * item, range(200))) == [n * n for n in range(200)]


@pytest.mark.usefixtures("cores")
def test_no_more_is_read_than_a_few_items_ahead() -> None:
    begun: list[int] = []
    results = each(begun.append, range(10_000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) < 100


@pytest.mark.usefixtures("cores")
def test_the_first_item_in_order_that_fails_is_told() -> None:
    def read(item: int) -> int:
        if item in (5, 7):
            raise ValueError(item)
        return item

    done = []
    with pytest.raises(ValueError, match="5"):
        done += list(each(read, range(1000)))


def test_there_is_a_thread_for_each_core_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.tasks.reading_many.available_cpus", lambda: 3)
    # Passes only where three wait at once.
    barrier = threading.Barrier(3, timeout=30)
    wait: Callable[[int], int] = lambda item: barrier.wait()  # noqa: E731
    assert sorted(each(wait, range(3))) == [0, 1, 2]
