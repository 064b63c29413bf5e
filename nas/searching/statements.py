"""What a search writes to and reads from the tables of Optuna, in few statements.

Optuna loads and stores objects one by one, which costs tens of milliseconds per trial. A search
does the same with plain statements: a trial is created in one transaction, its candidate is written
in another and its record with its end in a third, and one statement reads what belongs to trials.
"""

from __future__ import annotations

import functools
import json
import math
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
    .where(_TRIALS.c.study_id == _STUDY)
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
_OF_TRIAL = {table: table.c.trial_id == _TRIAL for table in (_TRIALS, _BEATS)}
_BEGIN = (
    _TRIALS.update()
    .where(_OF_TRIAL[_TRIALS], _TRIALS.c.state == TrialState.WAITING)
    .values(state=TrialState.RUNNING, datetime_start=sql.bindparam("now"))
)
_END = (
    _TRIALS.update()
    .where(_OF_TRIAL[_TRIALS], _TRIALS.c.state.in_((TrialState.RUNNING, TrialState.WAITING)))
    .values(state=sql.bindparam("new_state"), datetime_complete=sql.bindparam("now"))
)
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
_INSERT = {table: table.insert() for table in (_TRIALS, _USER, _SYSTEM, _PARAMS, _VALUES, _BEATS)}
_NAMES = {_USER: _USER.c.key, _SYSTEM: _SYSTEM.c.key, _PARAMS: _PARAMS.c.param_name}
_FORGET = {
    table: table.delete().where(
        table.c.trial_id == _TRIAL, name.in_(sql.bindparam("names", expanding=True))
    )
    for table, name in _NAMES.items()
}


# What a row of `_DETAILS` tells of a trial; those of one kind are in the order of their positions.
_USER_ROW, _SYSTEM_ROW, _PARAM_ROW, _VALUE_ROW, _STEP_ROW = range(5)
_NO_TEXT, _NO_NUMBER = sql.cast(sql.null(), sql.Text), sql.cast(sql.null(), sql.Float)


def _detail(kind: int, table: Any, position: str, name: Any, text: Any, number: Any) -> Any:
    return sql.select(
        *(table.c.trial_id, sql.literal_column(str(kind)).label("kind")),
        *(table.c[position].label("position"), name.label("name")),
        *(text.label("text"), number.label("number")),
    )


def _number_kind(column: Any) -> Any:
    return sql.cast(column, sql.Text)


_DETAILS = {
    _USER: _detail(
        *(_USER_ROW, _USER, "trial_user_attribute_id"),
        *(_USER.c.key, _USER.c.value_json, _NO_NUMBER),
    ),
    _SYSTEM: _detail(
        *(_SYSTEM_ROW, _SYSTEM, "trial_system_attribute_id"),
        *(_SYSTEM.c.key, _SYSTEM.c.value_json, _NO_NUMBER),
    ),
    _PARAMS: _detail(
        *(_PARAM_ROW, _PARAMS, "param_id"),
        *(_PARAMS.c.param_name, _PARAMS.c.distribution_json, _PARAMS.c.param_value),
    ),
    _VALUES: _detail(
        *(_VALUE_ROW, _VALUES, "objective"),
        *(_NO_TEXT, _number_kind(_VALUES.c.value_type), _VALUES.c.value),
    ),
    _STEPS: _detail(
        *(_STEP_ROW, _STEPS, "step"),
        *(_NO_TEXT, _number_kind(_STEPS.c.intermediate_value_type), _STEPS.c.intermediate_value),
    ),
}
_OF_SOME = sql.union_all(
    *(details.where(table.c.trial_id.in_(_IDS)) for table, details in _DETAILS.items())
)
_OF_ALL = sql.union_all(
    *(
        details.join(_TRIALS, _TRIALS.c.trial_id == table.c.trial_id).where(
            _TRIALS.c.study_id == _STUDY
        )
        for table, details in _DETAILS.items()
    )
)
# What `json.loads` does besides takes most of its time for values as short as these.
_parse = json.JSONDecoder().raw_decode
# How Optuna stores numbers that not every database can.
_NO_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


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
    # Trials are never deleted, so that the last one has the number before.
    last = connection.execute(_LAST_NUMBER, {"of_study": study}).scalar()
    number = 0 if last is None else int(last) + 1
    now = datetime.now(UTC)
    row = {"study_id": study, "number": number, "state": TrialState.RUNNING}
    created = connection.execute(
        _INSERT[_TRIALS], {**row, "datetime_start": now.replace(tzinfo=None)}
    )
    assert created.inserted_primary_key is not None
    (trial_id,) = created.inserted_primary_key
    attribute_rows = _attribute_rows(trial_id, attributes)
    connection.execute(_INSERT[_USER], [*attribute_rows.values()])
    connection.execute(_INSERT[_BEATS], {"trial_id": trial_id})
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


def write(connection: Connection, trial_id: int, writes: Writes, known: FrozenTrial | None) -> None:
    """Writes to a trial that is not finished; what has been written before is replaced.

    Args:
        connection: An open connection.
        trial_id: Id of the trial.
        writes: What is written.
        known: The trial as it is in the database, where that is known.

    Raises:
        UpdateFinishedTrialError: If the trial is finished.
        ValueError: If a parameter has other options than in an earlier trial.
    """
    study, _ = _unfinished(connection, trial_id)
    for name in writes.unchecked:
        _check_distribution(connection, study, name, writes.params[name][1])
    _put(connection, trial_id, writes, known)


def set_state(
    connection: Connection,
    trial_id: int,
    state: TrialState,
    values: Sequence[float] | None,
    writes: Writes | None = None,
    known: FrozenTrial | None = None,
) -> bool:
    """Sets the state of a trial that is not finished, its values, and what is written with them.

    Args:
        connection: An open connection.
        trial_id: Id of the trial.
        state: Its new state.
        values: One for each objective.
        writes: See `write`.
        known: See `write`.

    Returns:
        False if it should begin to run, and another worker runs it already.

    Raises:
        UpdateFinishedTrialError: If it is finished.
    """
    changes = {"of_trial": trial_id, "now": datetime.now(UTC).replace(tzinfo=None)}
    if state == TrialState.RUNNING:
        changed = connection.execute(_BEGIN, changes).rowcount
    else:
        changed = connection.execute(_END, {**changes, "new_state": state}).rowcount
    if not changed:
        _unfinished(connection, trial_id)
        return False
    if writes is not None:
        _put(connection, trial_id, writes, known)
    if values is not None:
        rows = []
        for objective, value in enumerate(values):
            stored, kind = models.TrialValueModel.value_to_stored_repr(value)
            own = {"trial_id": trial_id, "objective": objective}
            rows.append({**own, "value": stored, "value_type": kind})
        connection.execute(_INSERT[_VALUES], rows)
    return True


def state_of(connection: Connection, trial_id: int) -> TrialState | None:
    """The state of a trial, or None if there is none."""
    row = connection.execute(_STATE, {"of_trial": trial_id}).first()
    return None if row is None else row.state


def beat(connection: Connection, trial_id: int) -> None:
    """Records a heartbeat, by the time of the database."""
    if not connection.execute(_BEAT, {"of_trial": trial_id}).rowcount:
        connection.execute(_INSERT[_BEATS], {"trial_id": trial_id})


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
    if row is None:
        return None
    return _trial(row, _details(connection, row.study_id, [trial_id])[trial_id])


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
    rows = sorted(
        connection.execute(_ROWS_CHANGED, wanted).all(), key=lambda row: int(row.trial_id)
    )
    mine = None if own is None else own._trial_id
    running = {row.trial_id for row in rows if row.state == TrialState.RUNNING}
    known = {mine: own} if own is not None and mine in running else {}
    # What has finished does not change, so that these may be read after their states.
    details = _details(connection, study, [r.trial_id for r in rows if r.trial_id not in known])
    return [known.get(row.trial_id) or _trial(row, details[row.trial_id]) for row in rows]


def _details(
    connection: Connection, study: int, trials: Sequence[int]
) -> defaultdict[int, list[Any]]:
    """What belongs to some trials of a study, by the id of the trial: kind, position and the rest.

    Of many trials, those of the others are found, too.
    """
    found: defaultdict[int, list[Any]] = defaultdict(list)
    if not trials:
        return found
    if len(trials) > _MOST:
        # A study that is opened: all of it, in one pass.
        rows = connection.execute(_OF_ALL, {"of_study": study})
    else:
        rows = connection.execute(_OF_SOME, {"ids": trials})
    for row in rows.all():
        found[row[0]].append(row[1:])
    return found


def _trial(row: Any, details: list[Any]) -> FrozenTrial:
    params, distributions = {}, {}
    user, system, values, steps = {}, {}, [], {}
    for kind, position, name, text, number in sorted(details):
        if kind == _USER_ROW:
            user[name] = _parse(text)[0]
        elif kind == _SYSTEM_ROW:
            system[name] = _parse(text)[0]
        elif kind == _PARAM_ROW:
            distributions[name] = _distribution(text)
            params[name] = distributions[name].to_external_repr(number)
        elif kind == _VALUE_ROW:
            values.append(_NO_FINITE.get(text, number))
        else:
            steps[position] = _NO_FINITE.get(text, number)
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=values or None,
        datetime_start=_local(row.datetime_start),
        datetime_complete=_local(row.datetime_complete),
        params=params,
        distributions=distributions,
        user_attrs=user,
        system_attrs=system,
        intermediate_values=steps,
        trial_id=row.trial_id,
    )


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


def _put(connection: Connection, trial_id: int, writes: Writes, known: FrozenTrial | None) -> None:
    """Replaces what a trial has; see `write`."""
    params = {
        name: {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": value,
            "distribution_json": distribution_to_json(distribution),
        }
        for name, (value, distribution) in writes.params.items()
    }
    user, system = (_attribute_rows(trial_id, own) for own in (writes.user, writes.system))
    for table, rows, present in (
        (_USER, user, None if known is None else known.user_attrs),
        (_SYSTEM, system, None if known is None else known.system_attrs),
        (_PARAMS, params, None if known is None else known.params),
    ):
        replaced = [name for name in rows if present is None or name in present]
        if replaced:
            connection.execute(_FORGET[table], {"of_trial": trial_id, "names": replaced})
        if rows:
            connection.execute(_INSERT[table], [*rows.values()])


def _attribute_rows(trial_id: int, attributes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        key: {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    }


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
