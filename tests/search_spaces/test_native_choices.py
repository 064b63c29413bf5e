from __future__ import annotations

import json

import pytest

from search_spaces.native import choices


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache without choices; gives the file of the choices."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    choices._known.cache_clear()
    yield choices._path()
    choices._known.cache_clear()


@pytest.fixture
def clock(monkeypatch):
    """Processor time that passes only where a test says so, in nanoseconds."""
    now = [0]
    monkeypatch.setattr("time.thread_time_ns", lambda: now[0])

    def taking(*durations):
        left = list(durations)

        def run():
            now[0] += left.pop(0) if len(left) > 1 else left[0]

        return run

    return taking


def refuse():
    raise AssertionError("measured again")


@pytest.mark.parametrize(
    ("native", "standard", "chosen"), [(100, 100, True), (149, 100, True), (151, 100, False)]
)
def test_pytorchs_kernel_is_used_where_it_is_clearly_faster(cache, clock, native, standard, chosen):
    assert choices.prefers_native("shape", clock(native), clock(standard)) is chosen
    assert choices.standard_shapes() == ([] if chosen else ["shape"])


def test_the_fastest_turn_counts(cache, clock):
    assert choices.prefers_native("shape", clock(900, 900, 120), clock(100))


def test_a_choice_is_made_once_and_kept(cache, clock):
    assert not choices.prefers_native("shape", clock(300), clock(100))
    assert not choices.prefers_native("shape", refuse, refuse)
    choices._known.cache_clear()
    assert not choices.prefers_native("shape", refuse, refuse)


def test_the_choice_of_the_process_that_was_first_counts_for_all(cache, clock):
    assert choices.prefers_native("one", clock(100), clock(100))
    content = json.loads(cache.read_text())
    cache.write_text(json.dumps(content | {"other": True}))
    assert not choices.prefers_native("other", clock(100), clock(100))


@pytest.mark.parametrize("content", ["", "[1]", '{"shape": 3}', "{"])
def test_a_damaged_file_is_made_anew(cache, clock, content):
    cache.touch(mode=0o600)
    cache.write_text(content)
    choices._known.cache_clear()
    assert not choices.prefers_native("shape", clock(300), clock(100))
    assert json.loads(cache.read_text()) == {"shape": True}


def test_without_room_for_the_file_a_choice_lasts_as_long_as_the_process(cache, clock, monkeypatch):
    def full(*arguments, **options):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert not choices.prefers_native("shape", clock(300), clock(100))
    assert not choices.prefers_native("shape", refuse, refuse)
