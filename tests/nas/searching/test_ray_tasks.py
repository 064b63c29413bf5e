"""Searches on a Ray cluster of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from nas.errors import UserError
from nas.evaluation.table_evaluator import TableEvaluator
from nas.searching import search
from nas.searching.assembly import IMPORT_PATH, standard
from nas.searching.config import TableSearchConfig
from nas.searching.databases import PASSWORD
from nas.searching.executors import create_executor
from nas.searching.places import completed
from nas.searching.ray_tasks import _task, _work
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study

HERE = Path(__file__).parent
ASKED = 20


@pytest.fixture(name="ray", scope="module")
def _ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    paths = [str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
    with (
        # A short path, as sockets lie in it.
        tempfile.TemporaryDirectory(
            prefix="nas-ray-", dir="/tmp", ignore_cleanup_errors=True
        ) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Ray keeps there which cluster `ray.init` is to join.
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
        # Ray would give its workers what other programs leave of the processor.
        patch.setenv("RAY_worker_niceness", "0")
        # Workers have the environment of their node, and one test searches on a server.
        patch.setenv(PASSWORD, "only-for-tests")
        ray.init(num_cpus=2, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.fixture(name="second_node")
def _second_node(ray: Any, tmp_path: Path) -> Iterator[int]:
    """Another node of the cluster with one processor, by the id of its process group."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus", "1", "--block"]
    command += ["--address", ray.get_runtime_context().gcs_address]
    with (tmp_path / "node").open("wb") as log:
        node = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for_nodes(ray, 2)
        yield node.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        _wait_for_nodes(ray, 1)


def _wait_for_nodes(ray: Any, number: int) -> None:
    deadline = time.monotonic() + 120
    while sum(node["Alive"] for node in ray.nodes()) != number:
        assert time.monotonic() < deadline, f"the cluster should have {number} nodes"
        time.sleep(0.2)


@pytest.fixture(autouse=True)
def _slow_elsewhere_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TableEvaluator, "evaluate", TableEvaluator.evaluate)


def _config(table: Path, **changes: Any) -> TableSearchConfig:
    values = {
        "table": str(table),
        "dataset": "shapes",
        "controller.name": "random",
        "trials": ASKED,
        "workers": 2,
        "executor": "ray",
        "seed": 3,
        "imports": [str(HERE / "slow_table.py")],
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


@pytest.mark.usefixtures("ray")
def test_two_ray_workers_make_the_study_of_one_process(toy_table: Path, tmp_path: Path) -> None:
    by_ray = search.start(_config(toy_table), tmp_path / "ray", standard, IMPORT_PATH)
    here = _config(toy_table, workers=1, executor="in_process")
    alone = search.start(here, tmp_path / "alone", standard, IMPORT_PATH)
    assert list(_contents(by_ray)) == list(range(ASKED))
    assert _contents(by_ray) == _contents(alone)
    workers = {t.user_attrs["origin"]["worker"]["pid"] for t in read_study(by_ray).get_trials()}
    assert os.getpid() not in workers


@pytest.mark.usefixtures("ray")
def test_a_killed_ray_worker_costs_its_candidate_one_try(toy_table: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_half_way(study: optuna.Study) -> None:
        trials = study.get_trials(deepcopy=False)
        running = [t for t in trials if t.state == TrialState.RUNNING and t.params]
        if not killed and running and completed(trials) >= ASKED // 2:
            killed.append(running[0].user_attrs["origin"]["worker"]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    config = _config(toy_table, trials=3 * ASKED)
    run = search.start(config, tmp_path / "run", standard, IMPORT_PATH, kill_half_way)
    trials = read_study(run).get_trials()
    assert completed(trials) == 3 * ASKED
    (lost,) = [t for t in trials if t.state == TrialState.FAIL]
    assert lost.user_attrs["origin"]["worker"]["pid"] == killed[0]
    assert lost.user_attrs["failure"].startswith("worker lost: The worker died unexpectedly")
    assert not [t for t in trials if t.state == TrialState.RUNNING]


def test_a_lost_ray_node_costs_its_candidate_one_try(
    second_node: int, database: str, toy_table: Path, tmp_path: Path
) -> None:
    slower = tmp_path / "slower_table.py"
    slow = (HERE / "slow_table.py").read_text(encoding="utf-8")
    slower.write_text(slow.replace("SECONDS = 0.1", "SECONDS = 2.0"), encoding="utf-8")
    lost: list[int] = []

    def lose_the_node(study: optuna.Study) -> None:
        trials = study.get_trials(deepcopy=False)
        if lost or completed(trials) < ASKED // 2:
            return
        for trial in trials:
            if trial.state != TrialState.RUNNING or not trial.params:
                continue
            worker = trial.user_attrs["origin"]["worker"]["pid"]
            if os.getpgid(psutil.Process(worker).ppid()) == second_node:
                lost.append(trial.number)
                os.killpg(second_node, signal.SIGKILL)
                # Ray gives its workers groups of their own.
                os.kill(worker, signal.SIGKILL)

    changes = {"workers": 3, "storage": database, "imports": [str(slower)]}
    config = _config(toy_table, **changes)
    run = search.start(config, tmp_path / "run", standard, IMPORT_PATH, lose_the_node)
    trials = read_study(run).get_trials()
    assert completed(trials) == ASKED
    (failed,) = [trial for trial in trials if trial.state != TrialState.COMPLETE]
    assert ([failed.number], failed.state) == (lost, TrialState.FAIL)
    assert failed.user_attrs["failure"].startswith("worker lost")


def test_a_node_without_the_run_folder_makes_one_of_the_study(
    toy_table: Path, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    config = _config(toy_table, executor=None, workers=1, storage=storage, imports=[])
    run = search.start(config, tmp_path / "run", standard, IMPORT_PATH)
    known = run.config()
    shutil.rmtree(run.path)
    study = read_study(RunFolder.create(tmp_path / "again", config, "run"))
    study.set_user_attr("trials", ASKED + 3)
    code, sentence = _work(str(run.path), "run", storage, 0, IMPORT_PATH, [])
    assert (code, sentence) == (0, "")
    assert run.config() == known
    assert completed(study.get_trials()) == ASKED + 3


def test_a_node_that_cannot_have_a_run_folder_says_so() -> None:
    code, sentence = _work("/nowhere/run", "run", None, 0, IMPORT_PATH, [])
    assert code == 2
    assert sentence.startswith("the Ray node ")
    assert sentence.endswith(": /nowhere/run: no such run folder.")


class FakeRay:
    """Takes the resources of a task down."""

    def remote(self, **resources: Any) -> Any:
        return lambda function: resources


def _node(gpus: float) -> dict[str, Any]:
    return {"Resources": {"CPU": 4.0, "GPU": gpus} if gpus else {"CPU": 4.0}}


@pytest.mark.parametrize(
    ("gpus", "device", "asked", "expected"),
    [(0, "auto", None, 0.0), (2, "auto", None, 1.0), (2, "cpu", None, 0.0), (2, "auto", 0.5, 0.5)],
)
def test_a_worker_gets_the_gpus_asked_for(
    gpus: float, device: str, asked: float | None, expected: float, toy_table: Path
) -> None:
    config = _config(toy_table, device=device, gpus_per_worker=asked, imports=[])
    assert _task(FakeRay(), config, [_node(gpus)])["num_gpus"] == expected


@pytest.mark.parametrize(
    ("changes", "nodes", "message"),
    [
        ({"gpus_per_worker": 2.0}, [_node(1), _node(0)], "the most that one has is 1"),
        ({"gpus_per_worker": 1.5}, [_node(2)], "above 1, Ray gives whole GPUs alone"),
        ({}, [_node(0), _node(0)], "has 2 nodes, and a file is no database"),
        ({"storage": "sqlite:////tmp/a.db"}, [_node(0), _node(0)], "give --storage with the addr"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(
    changes: dict[str, Any], nodes: list[dict[str, Any]], message: str, toy_table: Path
) -> None:
    with pytest.raises(UserError, match=message):
        _task(FakeRay(), _config(toy_table, imports=[], **changes), nodes)


def test_gpus_for_workers_that_take_them_in_turn_are_refused(toy_table: Path) -> None:
    with pytest.raises(UserError, match="gpus_per_worker needs the executor ray"):
        _config(toy_table, executor=None, gpus_per_worker=0.5)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'nas-toolkit\[ray\]'"):
        create_executor("ray", 2, standard, IMPORT_PATH)
