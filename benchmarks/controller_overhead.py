"""Milliseconds per trial of study and controller, in a young study and in an old one.

Plays the loop of every worker on the space of NAS-Bench-201 with scores that cost nothing, in
memory, in SQLite and in a database whose address is given. The studies are filled with random
finished trials first; then trials are run in blocks, in turn in each study, so that whatever else
the machine does hits all alike. Processor time of all threads and wall time are printed, as medians
over the blocks, and the seconds in which a worker opens the study.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, create_trial
from sqlalchemy import func, insert, select, text

import nas.controllers
from nas.evaluation.evaluation import Decide, Evaluation, go_on
from nas.searching.assembly import Parts, make_controller
from nas.searching.config import SearchConfig
from nas.searching.memory_storage import MemoryStorage
from nas.searching.places import Places, WorkerIdentity
from nas.searching.reward import make_reward
from nas.searching.run_folder import RunFolder
from nas.searching.stop import FailureWatch
from nas.searching.storage import TrialStorage
from nas.searching.study import create_memory_study, create_study, open_study, working_storage
from nas.searching.trial import TrialRunner, origin_of
from nas.searching.worker import work
from search_spaces import create
from search_spaces.genotype import Genotype

SPACE = create("nasbench201")
ORIGIN = origin_of(WorkerIdentity.of_this_process(0), "cpu", 0)


class MadeUp:
    """Scores a candidate by how many convolutions it has, and by its text."""

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """A record of the size of one that was looked up in a table."""
        text = str(genotype)
        score = 0.1 * text.count("conv") + 0.1 * random.Random(text).random()
        macs = 1e7 + 3.5e7 * text.count("3x3")
        return Evaluation(
            scores={"accuracy": {"images": score}},
            macro={"accuracy": score},
            groups={},
            costs={"params": macs / 100, "macs": macs, "flops": 2 * macs},
            curves={},
            seconds={},
        )


@dataclass
class Course:
    """A study that is worked on."""

    study: optuna.Study
    places: Places
    runner: TrialRunner
    failures: FailureWatch

    opening: float = 0.0

    def run(self, trials: int) -> tuple[float, float]:
        """Runs some trials; milliseconds of processor and of wall that each took."""
        self.study.set_user_attr("trials", int(self.study.user_attrs["trials"]) + trials)
        cpu, wall = time.process_time(), time.perf_counter()
        work(self.study, self.places, self.runner, self.failures)
        return (
            1e3 * (time.process_time() - cpu) / trials,
            1e3 * (time.perf_counter() - wall) / trials,
        )


def main() -> None:
    """Measures every controller in every storage and prints a table."""
    options = parse_arguments()
    torch.set_num_threads(1)
    print(f"{'ms per trial':<26}" + "".join(f"{f'at {n}':>10}" for n in options.trials))
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        if "sqlite" in options.storages:
            config = configuration(options, "random")
            runs = {n: filled_run(Path(folder, f"run-{n}"), n, config) for n in options.trials}
        storages = [*options.storages, *(["database"] if options.url else [])]
        for storage in storages:
            for name in options.controllers:
                config = configuration(options, name)
                with ExitStack() as stack:
                    if storage == "memory":
                        courses = [in_memory(n, config) for n in options.trials]
                    elif storage == "sqlite":
                        copies = [copied(runs[n], Path(folder, name)) for n in options.trials]
                        courses = [stack.enter_context(opened(run, config)) for run in copies]
                    else:
                        config = config.model_copy(update={"storage": options.url})
                        path = Path(folder, f"{name}-{time.time_ns()}")
                        runs = {
                            n: filled_run(Path(f"{path}-{n}"), n, config) for n in options.trials
                        }
                        courses = [
                            stack.enter_context(opened(runs[n], config)) for n in options.trials
                        ]
                    show(f"{storage}, {name}", courses, options)


def show(title: str, courses: Sequence[Course], options: argparse.Namespace) -> None:
    """Runs blocks in turn and prints their medians."""
    for course in courses:
        started = time.perf_counter()
        # The first trial learns from all that the study holds.
        course.run(1)
        course.opening += time.perf_counter() - started
    blocks = [[course.run(options.block) for course in courses] for _ in range(options.blocks)]
    columns = list(zip(*blocks, strict=True))
    for index, kind in enumerate(("CPU", "wall")):
        medians = [statistics.median(one[index] for one in column) for column in columns]
        print(f"{f'{title}, {kind}':<26}" + "".join(f"{ms:10.2f}" for ms in medians), flush=True)
    seconds = "".join(f"{course.opening:10.2f}" for course in courses)
    print(f"{'  opened and caught up, s':<26}{seconds}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    known = nas.controllers.names()
    usual = [name for name in ("random", "reinforce", "evolution", "predictor") if name in known]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--controllers", nargs="+", default=usual, choices=known, metavar="NAME")
    add("--storages", nargs="+", default=["memory", "sqlite"], choices=("memory", "sqlite"))
    add("--trials", nargs="+", type=int, default=[100, 10000], help="ages of the studies")
    add("--url", help="address of a database to measure, for example postgresql://me@host/name")
    add("--block", type=int, default=10, help="trials that are timed together (default 10)")
    add("--blocks", type=int, default=5, help="blocks in each study (default 5)")
    add("--penalised", action="store_true", help="multiply-accumulates are a second objective")
    return parser.parse_args()


def configuration(options: argparse.Namespace, controller: str) -> SearchConfig:
    """Of a search on a made-up data set."""
    penalties = [{"cost": "macs", "base": 5e7, "exponent": -0.1}] if options.penalised else []
    return SearchConfig.model_validate(
        {
            "space": {"name": SPACE.name},
            "controller": {"name": controller},
            "reward": {"metric": "accuracy", "penalties": penalties},
            "trials": 1,
            "device": "cpu",
        }
    )


def in_memory(count: int, config: SearchConfig) -> Course:
    """A study in memory that has `count` finished trials."""
    parts = parts_of(config)
    storage = MemoryStorage()
    study = create_memory_study(storage, config, SPACE, parts.controller)
    study.add_trials(list(finished_trials(count, config)))
    study.set_user_attr("trials", count)
    return course_of(study, storage, parts, config)


def copied(run: RunFolder, copy: Path) -> RunFolder:
    """A copy of a run that was filled."""
    path = copy.with_name(f"{copy.name}-{run.path.name}")
    return RunFolder(Path(shutil.copytree(run.path, path)))


@contextmanager
def opened(run: RunFolder, config: SearchConfig) -> Iterator[Course]:
    """A run that was filled, open for work."""
    started = time.perf_counter()
    with working_storage(run, config, ORIGIN) as storage:
        parts = parts_of(config)
        study = open_study(storage, run, config, SPACE, parts.controller)
        course = course_of(study, storage, parts, config)
        course.opening = time.perf_counter() - started
        yield course


def filled_run(path: Path, count: int, config: SearchConfig) -> RunFolder:
    """A run folder whose study has `count` finished trials."""
    run = RunFolder.create(path, config)
    with working_storage(run, config, ORIGIN) as storage:
        study = create_study(storage, run, config, SPACE)
        insert_trials(storage, study._study_id, list(finished_trials(count, config)))
        study.set_user_attr("trials", count)
    return run


def parts_of(config: SearchConfig) -> Parts:
    """The parts of a search on made-up scores."""
    costs = ("params", "macs", "flops")
    reward = make_reward(config.reward, "this benchmark", ("images",), ("images",), costs)
    return Parts(SPACE, reward, make_controller(config, SPACE, reward), MadeUp())


def course_of(
    study: optuna.Study, storage: MemoryStorage | TrialStorage, parts: Parts, config: SearchConfig
) -> Course:
    """What a worker puts together around a study."""
    places = Places(study, storage, config.grace)
    runner = TrialRunner(parts, config.objectives, config.seed, ORIGIN, places, storage)
    return Course(
        study, places, runner, FailureWatch(0, config.failures_in_a_row, config.beyond_in_a_row)
    )


def finished_trials(count: int, config: SearchConfig) -> Iterator[FrozenTrial]:
    """Random candidates with the records that a search leaves behind."""
    rng = random.Random(0)
    distributions: dict[str, BaseDistribution] = {
        d.name: CategoricalDistribution(d.options) for d in SPACE.decisions
    }
    for _ in range(count):
        genotype = SPACE.sample(rng)
        record = MadeUp().evaluate(genotype, config.seed).to_record()
        quality = record["scores"]["accuracy"]["images"]
        yield create_trial(
            params=SPACE.choices(genotype),
            distributions=distributions,
            values=[quality, *(record["costs"][name] for name in config.objectives[1:])],
            user_attrs={
                "origin": ORIGIN,
                "claimed": True,
                "genotype": str(genotype),
                "canonical_key": SPACE.canonical_key(genotype),
                "network_key": SPACE.network_key(genotype),
                **record,
                "quality": quality,
                "rungs": {record["rung"]: quality},
            },
        )


def insert_trials(storage: TrialStorage, study: int, trials: Sequence[FrozenTrial]) -> None:
    """Writes trials into an empty study, as `Study.add_trials` would in many minutes."""
    with storage.engine.connect() as connection:
        highest = select(func.max(models.TrialModel.trial_id))
        first = 1 + (connection.execute(highest).scalar() or 0)
    rows: dict[type[Any], list[dict[str, Any]]] = {
        models.TrialModel: [],
        models.TrialParamModel: [],
        models.TrialUserAttributeModel: [],
        models.TrialValueModel: [],
    }
    for number, trial in enumerate(trials):
        own = {"trial_id": first + number}
        assert trial.datetime_start is not None
        now = trial.datetime_start.astimezone(UTC).replace(tzinfo=None)
        rows[models.TrialModel].append(
            {
                **own,
                "number": number,
                "study_id": study,
                "state": trial.state,
                "datetime_start": now,
                "datetime_complete": now,
            }
        )
        rows[models.TrialParamModel] += [
            {
                **own,
                "param_name": name,
                "param_value": distribution.to_internal_repr(trial.params[name]),
                "distribution_json": distribution_to_json(distribution),
            }
            for name, distribution in trial.distributions.items()
        ]
        rows[models.TrialUserAttributeModel] += [
            {**own, "key": key, "value_json": json.dumps(value)}
            for key, value in trial.user_attrs.items()
        ]
        rows[models.TrialValueModel] += [
            {
                **own,
                "objective": index,
                "value": value,
                "value_type": models.TrialValueModel.TrialValueType.FINITE,
            }
            for index, value in enumerate(trial.values)
        ]
    with storage.scoped_session() as session, session.begin():
        for model, values in rows.items():
            session.execute(insert(model.__table__), values)
        if storage.engine.name == "postgresql":
            # Ids that were given are not counted.
            sequence = "pg_get_serial_sequence('trials', 'trial_id')"
            session.execute(text(f"SELECT setval({sequence}, {first + len(trials)})"))


if __name__ == "__main__":
    main()
