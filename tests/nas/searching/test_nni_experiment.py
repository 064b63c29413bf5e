"""Searches whose workers are trials of a local NNI experiment."""

from __future__ import annotations

import re
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from nas.errors import UserError
from nas.searching import search
from nas.searching.assembly import IMPORT_PATH, standard
from nas.searching.config import TableSearchConfig
from nas.searching.executors import create_executor
from nas.searching.nni_experiment import _jobs
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

ASKED = 20


def _config(table: Path, **changes: Any) -> TableSearchConfig:
    values = {
        "table": str(table),
        "dataset": "shapes",
        "controller.name": "random",
        "trials": ASKED,
        "seed": 3,
    }
    config = load_config(None, values | changes)
    assert isinstance(config, TableSearchConfig)
    return config


def _contents(run: RunFolder) -> dict[int, Any]:
    return {
        trial.number: (trial.params, trial.values, trial.user_attrs["costs"])
        for trial in read_study(run).get_trials()
        if trial.state == TrialState.COMPLETE
    }


def test_trials_of_nni_make_the_study_of_one_process(
    toy_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nni", reason="the extra 'nni' is not installed")
    pages: list[bytes] = []

    def look(study: optuna.Study) -> None:
        (address,) = re.findall(r"http://\S+", capsys.readouterr().out) or [""]
        if address:
            with urllib.request.urlopen(address, timeout=30) as page:
                pages.append(page.read())

    config = _config(toy_table, workers=2, executor="nni")
    by_nni = search.start(config, tmp_path / "nni", standard, IMPORT_PATH, look)
    alone = search.start(_config(toy_table), tmp_path / "alone", standard, IMPORT_PATH)
    assert list(_contents(by_nni)) == list(range(ASKED))
    assert _contents(by_nni) == _contents(alone)
    (page,) = pages
    assert b"<title>Neural Network Intelligence</title>" in page
    # Neither its server nor what that has started is left.
    assert not [one for one in psutil.process_iter(["cmdline"]) if _is_of(one, by_nni)]


def _is_of(process: psutil.Process, run: RunFolder) -> bool:
    return str(run.path) in " ".join(process.info["cmdline"] or ())


class FakeExperiment:
    """Tells how its server does."""

    def __init__(self, code: int | None, status: str) -> None:
        self._proc = SimpleNamespace(poll=lambda: code)
        self._status = status

    def get_status(self) -> str:
        return self._status

    def list_trial_jobs(self) -> list[str]:
        return ["a trial"]


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [(None, "RUNNING", ["a trial"]), (None, "ERROR", None), (1, "RUNNING", None)],
)
def test_a_server_that_has_ended_or_given_up_is_told(
    code: int | None, status: str, expected: list[str] | None
) -> None:
    assert _jobs(FakeExperiment(code, status)) == expected


def test_without_nni_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nni", None)
    with pytest.raises(UserError, match=r"pip install 'nas-toolkit\[nni\]'"):
        create_executor("nni", 2, standard, IMPORT_PATH)
