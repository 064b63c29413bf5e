"""A search goes on, or one sentence says why not, whatever its process does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is watched")

# A command whose n-th life does what the n-th line says.
COMMAND = """
import os, signal, subprocess, sys, time
from pathlib import Path
from nas.cli import supervision
from nas.searching import ends

def run():
    lives = Path("lives")
    life = len(lives.read_text()) if lives.exists() else 0
    lives.write_text("x" * (life + 1))
    print(*sys.argv[1:], flush=True)
    ends.announce(Path("the-run"), {complete})
    {body}
    sys.exit(0)

sys.argv = ["nas", *sys.argv[1:]]
supervision.watch(run)
"""


def _start(folder: Path, body: str, complete: str = "life") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(body=body, complete=complete), "search", "--trials"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def test_a_process_that_ends_without_a_word_is_continued(tmp_path: Path) -> None:
    out, err = _start(tmp_path, "life < 2 and os._exit(0)").communicate()
    first, *later = out.splitlines()
    assert first == "search --trials"
    assert later == ["search --resume --run the-run"] * 2
    assert (
        err.splitlines()
        == ["nas: the process of the search ended without a word (exit code 0); it goes on."] * 2
    )


def test_a_process_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    search = _start(tmp_path, "os._exit(3)", complete="0")
    _, err = search.communicate()
    assert search.returncode == 1
    assert err.splitlines()[-1] == (
        "nas: the process of the search ended without a word (exit code 3); what is finished is "
        "kept: continue with --resume."
    )
    assert len(err.splitlines()) == 3


def test_a_process_that_says_how_it_ends_is_believed(tmp_path: Path) -> None:
    search = _start(tmp_path, "sys.exit(2)")
    assert search.communicate()[1] == ""
    assert search.returncode == 2


def test_what_a_candidate_has_started_ends_with_it(tmp_path: Path) -> None:
    body = "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)"
    search = _start(tmp_path, body)
    out, _ = search.communicate(timeout=120)
    with pytest.raises(ProcessLookupError):
        os.kill(int(out.splitlines()[1]), 0)


def test_a_signal_to_the_watching_process_reaches_the_search(tmp_path: Path) -> None:
    body = "signal.signal(signal.SIGHUP, lambda *_: sys.exit(129)); print('up', flush=True)"
    search = _start(tmp_path, f"{body}; time.sleep(600)")
    assert search.stdout is not None
    while search.stdout.readline() != "up\n":
        time.sleep(0.01)
    search.send_signal(signal.SIGHUP)
    assert search.wait(timeout=120) == 129
    search.communicate()


def test_the_search_ends_with_the_watching_process(tmp_path: Path) -> None:
    search = _start(tmp_path, "print('up', flush=True); time.sleep(600)")
    assert search.stdout is not None
    while search.stdout.readline() != "up\n":
        time.sleep(0.01)
    search.kill()
    # The pipe is closed once nobody holds its other end.
    search.communicate(timeout=120)
