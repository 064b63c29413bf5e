"""What a search writes to and reads from the tables of Optuna, in few statements.

Optuna loads and stores objects one by one, which costs tens of milliseconds per trial. A search
does the same with plain statements: a trial is created in one transaction, its record is written
in another, and trials are read by the table.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql
from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Connection

_TRIALS: Any = models.TrialModel.__table__
_STUDIES: Any = models.StudyModel.__table__
_STUDY_ATTRIBUTES: Any = models.StudyUserAttributeModel.__table__
_USER: Any = models.TrialUserAttributeModel.__table__
_SYSTEM: Any = models.TrialSystemAttributeModel.__table__
_PARAMS: Any = models.TrialParamModel.__table__
_VALUES: Any = models.TrialValueModel.__table__
_STEPS: Any = models.TrialIntermediateValueModel.__table__
_BEATS: Any = models.TrialHeartbeatModel.__table__

# Trials that are named one by one; of more, a whole study is read.
_MOST = 500

# Made once: SQLAlchemy takes longer to put a statement together than SQLite to carry it out.
_STUDY: sql.BindParameter[int] = sql.bindparam("of_study")
_TRIAL: sql.BindParameter[int] = sql.bindparam("of_trial")
_IDS: sql.BindParameter[list[int]] = sql.bindparam("ids", expanding=True)
_LOCK = sql.select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == _STUDY).with_for_update()
_LAST_NUMBER = (
    sql.select(_TRIALS.c.number)
    .where(_TRIALS.c.study_id == _STUDY, _TRIALS.c.trial_id < _TRIAL)
    .order_by(_TRIALS.c.trial_id.desc())
    .limit(1)
)
_STATE = (
    sql.select(_TRIALS.c.study_id, _TRIALS.c.state, _TRIALS.c.number)
    .where(_TRIALS.c.trial_id == _TRIAL)
    .with_for_update()
)
_ROWS = sql.select(
    *(_TRIALS.c.study_id, _TRIALS.c.trial_id, _TRIALS.c.number, _TRIALS.c.state),
    *(_TRIALS.c.datetime_start, _TRIALS.c.datetime_complete),
)
_ROW = _ROWS.where(_TRIALS.c.trial_id == _TRIAL)
# One statement, and no "or" in it: SQLite would go through all trials of the study.
_ROWS_CHANGED = sql.union_all(
    _ROWS.where(_TRIALS.c.study_id == _STUDY, _TRIALS.c.trial_id > _TRIAL),
    _ROWS.where(
        *(_TRIALS.c.study_id == _STUDY, _TRIALS.c.trial_id <= _TRIAL),
        _TRIALS.c.trial_id.in_(_IDS),
    ),
)
_OF_TRIAL = {table: table.c.trial_id == _TRIAL for table in (_TRIALS, _VALUES, _BEATS)}
_SET_NUMBER = _TRIALS.update().where(_OF_TRIAL[_TRIALS]).values(number=sql.bindparam("new_number"))
_BEAT = _BEATS.update().where(_OF_TRIAL[_BEATS]).values(heartbeat=sql.func.now())
_ALL_BEATS = (
    sql.select(_BEATS.c.trial_id, _BEATS.c.heartbeat)
    .join(_TRIALS, _TRIALS.c.trial_id == _BEATS.c.trial_id)
    .where(
        *(_TRIALS.c.study_id == _STUDY, _TRIALS.c.trial_id >= _TRIAL),
        _TRIALS.c.state == TrialState.RUNNING,
    )
)
_ATTRIBUTES_OF_STUDY = sql.select(_STUDY_ATTRIBUTES.c.key, _STUDY_ATTRIBUTES.c.value_json).where(
    _STUDY_ATTRIBUTES.c.study_id == _STUDY
)
_COUNT = sql.select(sql.func.count()).select_from(_TRIALS).where(_TRIALS.c.study_id == _STUDY)
_NAMES = {_USER: _USER.c.key, _SYSTEM: _SYSTEM.c.key, _PARAMS: _PARAMS.c.param_name}
_FORGET = {
    table: table.delete().where(
        table.c.trial_id == _TRIAL, name.in_(sql.bindparam("names", expanding=True))
    )
    for table, name in _NAMES.items()
}


def _details(table: Any, order: str, *columns: str) -> tuple[Any, Any]:
    """What reads columns of some trials, and of all trials of a study."""
    chosen = sql.select(table.c.trial_id, *(table.c[name] for name in columns))
    chosen = chosen.order_by(table.c[order])
    every = chosen.join(_TRIALS, _TRIALS.c.trial_id == table.c.trial_id)
    return chosen.where(table.c.trial_id.in_(_IDS)), every.where(_TRIALS.c.study_id == _STUDY)


_USER_DETAILS = _details(_USER, "trial_user_attribute_id", "key", "value_json")
_SYSTEM_DETAILS = _details(_SYSTEM, "trial_system_attribute_id", "key", "value_json")
_PARAM_DETAILS = _details(_PARAMS, "param_id", "param_name", "param_value", "distribution_json")
_VALUE_DETAILS = _details(_VALUES, "objective", "value", "value_type")
_STEP_DETAILS = _details(_STEPS, "step", "step", "intermediate_value", "intermediate_value_type")


@dataclass
class Writes:
    """What is written to one trial at once.

    Attributes:
        user: User attributes by key.
        system: System attributes by key.
        params: Internal value and distribution of parameters by name.
        unchecked: Parameters that may have other options than in an earlier trial.
    """

    user: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)
    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    unchecked: set[str] = field(default_factory=set)

    def add(self, later: Writes) -> None:
        """Adds what is written after it."""
        self.user |= later.user
        self.system |= later.system
        self.params |= later.params
        self.unchecked |= later.unchecked

    def apply(self, trial: FrozenTrial) -> None:
        """Does to a trial what was written to it."""
        trial.user_attrs.update(self.user)
        trial.system_attrs.update(self.system)
        for name, (value, distribution) in self.params.items():
            trial.distributions[name] = distribution
            trial.params[name] = distribution.to_external_repr(value)


def create_running_trial(
    connection: Connection, study: int, attributes: Mapping[str, Any]
) -> FrozenTrial:
    """Creates a running trial with user attributes and its first heartbeat.

    Raises:
        KeyError: If there is no such study.
    """
    # Trials get their numbers one at a time.
    if connection.execute(_LOCK, {"of_study": study}).first() is None:
        raise KeyError("No study with study_id.")
    now = datetime.now(UTC)
    started = {"study_id": study, "state": TrialState.RUNNING}
    created = connection.execute(
        _TRIALS.insert(), {**started, "datetime_start": now.replace(tzinfo=None)}
    )
    assert created.inserted_primary_key is not None
    (trial_id,) = created.inserted_primary_key
    # Trials are never deleted, so that the one before has the number before.
    before = {"of_study": study, "of_trial": trial_id}
    last = connection.execute(_LAST_NUMBER, before).scalar()
    number = 0 if last is None else int(last) + 1
    connection.execute(_SET_NUMBER, {"of_trial": trial_id, "new_number": number})
    _replace(connection, _USER, trial_id, attributes)
    connection.execute(_BEATS.insert(), {"trial_id": trial_id})
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        values=None,
        datetime_start=now.astimezone().replace(tzinfo=None),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs=dict(attributes),
        system_attrs={},
        intermediate_values={},
        trial_id=trial_id,
    )


def write(connection: Connection, trial_id: int, writes: Writes) -> None:
    """Writes to a running trial; what has been written before is replaced.

    Raises:
        UpdateFinishedTrialError: If the trial is finished.
        ValueError: If a parameter has other options than in an earlier trial.
    """
    study, _ = _unfinished(connection, trial_id)
    for name in writes.unchecked:
        _check_distribution(connection, study, name, writes.params[name][1])
    _replace(connection, _USER, trial_id, writes.user)
    _replace(connection, _SYSTEM, trial_id, writes.system)
    if writes.params:
        connection.execute(_FORGET[_PARAMS], {"of_trial": trial_id, "names": [*writes.params]})
        rows = [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": value,
                "distribution_json": distribution_to_json(distribution),
            }
            for name, (value, distribution) in writes.params.items()
        ]
        connection.execute(_PARAMS.insert(), rows)


def set_state(
    connection: Connection, trial_id: int, state: TrialState, values: Sequence[float] | None
) -> bool:
    """Sets the state of a trial that is not finished, and its values.

    Returns:
        False if it should begin to run, and another worker runs it already.

    Raises:
        UpdateFinishedTrialError: If it is finished.
    """
    _, found = _unfinished(connection, trial_id)
    if values is not None:
        connection.execute(_VALUES.delete().where(_OF_TRIAL[_VALUES]), {"of_trial": trial_id})
        rows = []
        for objective, value in enumerate(values):
            stored, kind = models.TrialValueModel.value_to_stored_repr(value)
            own = {"trial_id": trial_id, "objective": objective}
            rows.append({**own, "value": stored, "value_type": kind})
        connection.execute(_VALUES.insert(), rows)
    if state == TrialState.RUNNING and found != TrialState.WAITING:
        return False
    changes: dict[str, Any] = {"state": state}
    now = datetime.now(UTC).replace(tzinfo=None)
    if state == TrialState.RUNNING:
        changes["datetime_start"] = now
    if state.is_finished():
        changes["datetime_complete"] = now
    connection.execute(_TRIALS.update().where(_TRIALS.c.trial_id == trial_id).values(**changes))
    return True


def state_of(connection: Connection, trial_id: int) -> TrialState | None:
    """The state of a trial, or None if there is none."""
    row = connection.execute(_STATE, {"of_trial": trial_id}).first()
    return None if row is None else row.state


def beat(connection: Connection, trial_id: int) -> None:
    """Records a heartbeat, by the time of the database."""
    if not connection.execute(_BEAT, {"of_trial": trial_id}).rowcount:
        connection.execute(_BEATS.insert(), {"trial_id": trial_id})


def beats(connection: Connection, study: int, first: int) -> dict[int, Any]:
    """The last heartbeat of every running trial that has one, of those from the id `first` on."""
    found = connection.execute(_ALL_BEATS, {"of_study": study, "of_trial": first})
    return {row.trial_id: row.heartbeat for row in found}


def count_trials(connection: Connection, study: int) -> int:
    """Number of trials of a study, in any state."""
    return int(connection.execute(_COUNT, {"of_study": study}).scalar_one())


def study_attributes(connection: Connection, study: int) -> dict[str, Any]:
    """The user attributes of a study."""
    found = connection.execute(_ATTRIBUTES_OF_STUDY, {"of_study": study})
    return {key: json.loads(value) for key, value in found}


def read_trial(connection: Connection, trial_id: int) -> FrozenTrial | None:
    """One trial, or None if there is none of that id."""
    row = connection.execute(_ROW, {"of_trial": trial_id}).first()
    return None if row is None else _Details(connection, row.study_id, [trial_id]).trial(row)


def read_trials(
    connection: Connection,
    study: int,
    included: Iterable[int],
    after: int,
    own: FrozenTrial | None = None,
) -> list[FrozenTrial]:
    """Reads trials in the order of their ids.

    Args:
        connection: An open connection.
        study: Id of the study.
        included: Ids of trials that are read.
        after: All trials with a larger id are read, too.
        own: The running trial of this process, whose details are known here.
    """
    wanted = {"of_study": study, "of_trial": after, "ids": [*included]}
    rows = sorted(connection.execute(_ROWS_CHANGED, wanted), key=lambda row: int(row.trial_id))
    mine = None if own is None else own._trial_id
    running = {row.trial_id for row in rows if row.state == TrialState.RUNNING}
    known = {mine: own} if own is not None and mine in running else {}
    details = _Details(connection, study, [r.trial_id for r in rows if r.trial_id not in known])
    return [known.get(row.trial_id) or details.trial(row) for row in rows]


class _Details:
    """What belongs to some trials, by the id of the trial."""

    def __init__(self, connection: Connection, study: int, trials: list[int]) -> None:
        self._connection = connection
        self._study, self._trials = study, trials
        self._user = self._by_trial(*_USER_DETAILS)
        self._system = self._by_trial(*_SYSTEM_DETAILS)
        self._params = self._by_trial(*_PARAM_DETAILS)
        self._values = self._by_trial(*_VALUE_DETAILS)
        self._steps = self._by_trial(*_STEP_DETAILS)

    def trial(self, row: Any) -> FrozenTrial:
        own = row.trial_id
        params, distributions = {}, {}
        for name, value, text in self._params[own]:
            distributions[name] = _distribution(text)
            params[name] = distributions[name].to_external_repr(value)
        values = [
            models.TrialValueModel.stored_repr_to_value(value, kind)
            for value, kind in self._values[own]
        ]
        steps = {
            step: models.TrialIntermediateValueModel.stored_repr_to_intermediate_value(value, kind)
            for step, value, kind in self._steps[own]
        }
        return FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            values=values or None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params=params,
            distributions=distributions,
            user_attrs={key: json.loads(text) for key, text in self._user[own]},
            system_attrs={key: json.loads(text) for key, text in self._system[own]},
            intermediate_values=steps,
            trial_id=own,
        )

    def _by_trial(self, of_some: Any, of_all: Any) -> defaultdict[int, list[Any]]:
        found: defaultdict[int, list[Any]] = defaultdict(list)
        if not self._trials:
            return found
        statement = of_some
        values: dict[str, Any] = {"ids": self._trials}
        if len(self._trials) > _MOST:
            # A study that is opened: all of it, in one pass.
            statement, values = of_all, {"of_study": self._study}
        for trial_id, *rest in self._connection.execute(statement, values):
            found[trial_id].append(rest)
        return found


def _unfinished(connection: Connection, trial_id: int) -> tuple[int, TrialState]:
    """Study and state of a trial, locked against other writers.

    Raises:
        UpdateFinishedTrialError: If it is finished.
        KeyError: If there is none.
    """
    row = connection.execute(_STATE, {"of_trial": trial_id}).first()
    if row is None:
        raise KeyError("No trial with trial_id.")
    if row.state.is_finished():
        raise UpdateFinishedTrialError(
            f"Trial#{row.number} has already finished and can not be updated."
        )
    return row.study_id, row.state


def _replace(
    connection: Connection, table: Any, trial_id: int, attributes: Mapping[str, Any]
) -> None:
    if not attributes:
        return
    connection.execute(_FORGET[table], {"of_trial": trial_id, "names": [*attributes]})
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    ]
    connection.execute(table.insert(), rows)


def _check_distribution(
    connection: Connection, study: int, name: str, distribution: BaseDistribution
) -> None:
    earlier = (
        sql.select(_PARAMS.c.distribution_json)
        .join(_TRIALS, _TRIALS.c.trial_id == _PARAMS.c.trial_id)
        .where(_TRIALS.c.study_id == study, _PARAMS.c.param_name == name)
        .limit(1)
    )
    text = connection.execute(earlier).scalar()
    if text is not None:
        check_distribution_compatibility(_distribution(text), distribution)


@functools.lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    # A study holds the same few ones thousands of times.
    return json_to_distribution(text)


def _local(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
