"""Searches on a PostgreSQL server: that of NAS_TEST_POSTGRESQL, and one that goes away."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.errors import UserError
from nas.searching import outages, search
from nas.searching.assembly import IMPORT_PATH, standard
from nas.searching.config import TableSearchConfig
from nas.searching.databases import PASSWORD, connect
from nas.searching.places import completed
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

SCRIPT = Path(__file__).parents[3] / "scripts" / "postgresql.sh"
ASKED = 20

pytestmark = pytest.mark.usefixtures("password")


def _config(table: Path, storage: str | None, **changes: Any) -> TableSearchConfig:
    values = {
        "table": str(table),
        "dataset": "shapes",
        "controller.name": "random",
        "trials": ASKED,
        "storage": storage,
        "storage_timeout": 60,
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


@pytest.fixture(name="searched", scope="module")
def _searched(
    database: str, toy_table: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, bytes]:
    """A search of two worker processes, and the command lines of all processes meanwhile."""
    seen: list[bytes] = []

    def look(study: optuna.Study) -> None:
        for commands in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(commands.read_bytes())
            except OSError:
                continue

    path = tmp_path_factory.mktemp("searched") / "run"
    config = _config(toy_table, database, workers=2)
    return search.start(config, path, standard, IMPORT_PATH, look), b"\n".join(seen)


def test_two_workers_on_a_server_make_the_study_of_one_process(
    searched: tuple[RunFolder, bytes], toy_table: Path, tmp_path: Path
) -> None:
    alone = search.start(_config(toy_table, None), tmp_path / "alone", standard, IMPORT_PATH)
    found = _contents(searched[0])
    assert list(found) == list(range(ASKED))
    assert found == _contents(alone)


def test_the_password_is_in_no_file_and_no_command(
    searched: tuple[RunFolder, bytes], password: str
) -> None:
    run, commands = searched
    assert b"nas.searching.local_processes" in commands
    assert password.encode() not in commands
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert run.config_path in files
    assert not [path for path in files if password.encode() in path.read_bytes()]


def test_the_password_is_in_no_message(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "another-secret")
    with pytest.raises(UserError, match="password authentication failed") as caught:
        connect(database)
    assert "another-secret" not in str(caught.value)


@pytest.fixture(name="own_server")
def _own_server() -> Iterator[Path]:
    # Below no folder of this user alone, as the server runs as another one.
    folder = Path(tempfile.mkdtemp(prefix="nas-postgresql-"))
    folder.chmod(0o755)
    yield folder / "server"
    subprocess.run([SCRIPT, "stop", folder / "server"], check=False, capture_output=True)
    shutil.rmtree(folder)


def test_a_server_that_is_away_for_five_seconds_costs_no_trial(
    own_server: Path,
    toy_table: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outages, "_UNTOLD", 1.0)

    def ask(command: str) -> str:
        done = subprocess.run([SCRIPT, command, own_server], check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def away(study: optuna.Study) -> None:
        if completed(study.get_trials(deepcopy=False)) == ASKED // 2 and not back:
            ask("stop")
            back.append(threading.Timer(5.0, ask, ["start"]))
            back[0].start()

    back: list[threading.Timer] = []
    config = _config(toy_table, ask("start"))
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        run = search.start(config, tmp_path / "run", standard, IMPORT_PATH, away)
    back[0].join()
    assert time.monotonic() - started > 5
    states = [trial.state for trial in read_study(run).get_trials()]
    assert states == [TrialState.COMPLETE] * ASKED
    assert any("is reached again after" in message for message in caplog.messages)
