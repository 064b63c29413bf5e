"""What a search writes to the tables of Optuna, in few statements.

Optuna stores objects one by one, which costs tens of milliseconds per trial. Here a trial is
created in one transaction, its candidate is written in another and its record with its end in a
third.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql
from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Connection

from nas.searching.study_tables import (
    BEATS,
    PARAMS,
    STUDIES,
    STUDY,
    SYSTEM,
    TRIAL,
    TRIALS,
    USER,
    VALUES,
    distribution_of,
)

_LOCK = sql.select(STUDIES.c.study_id).where(STUDIES.c.study_id == STUDY).with_for_update()
_LAST_NUMBER = (
    sql.select(TRIALS.c.number)
    .where(TRIALS.c.study_id == STUDY)
    .order_by(TRIALS.c.trial_id.desc())
    .limit(1)
)
_STATE = (
    sql.select(TRIALS.c.study_id, TRIALS.c.state, TRIALS.c.number)
    .where(TRIALS.c.trial_id == TRIAL)
    .with_for_update()
)
_OF_TRIAL = {table: table.c.trial_id == TRIAL for table in (TRIALS, BEATS)}
_BEGIN = (
    TRIALS.update()
    .where(_OF_TRIAL[TRIALS], TRIALS.c.state == TrialState.WAITING)
    .values(state=TrialState.RUNNING, datetime_start=sql.bindparam("now"))
)
_END = (
    TRIALS.update()
    .where(_OF_TRIAL[TRIALS], TRIALS.c.state.in_((TrialState.RUNNING, TrialState.WAITING)))
    .values(state=sql.bindparam("new_state"), datetime_complete=sql.bindparam("now"))
)
_BEAT = BEATS.update().where(_OF_TRIAL[BEATS]).values(heartbeat=sql.func.now())
_INSERT = {table: table.insert() for table in (TRIALS, USER, SYSTEM, PARAMS, VALUES, BEATS)}
_NAMES = {USER: USER.c.key, SYSTEM: SYSTEM.c.key, PARAMS: PARAMS.c.param_name}
_FORGET = {
    table: table.delete().where(
        table.c.trial_id == TRIAL, name.in_(sql.bindparam("names", expanding=True))
    )
    for table, name in _NAMES.items()
}


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
        _INSERT[TRIALS], {**row, "datetime_start": now.replace(tzinfo=None)}
    )
    assert created.inserted_primary_key is not None
    (trial_id,) = created.inserted_primary_key
    attribute_rows = _attribute_rows(trial_id, attributes)
    connection.execute(_INSERT[USER], [*attribute_rows.values()])
    connection.execute(_INSERT[BEATS], {"trial_id": trial_id})
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
        connection.execute(_INSERT[VALUES], rows)
    return True


def state_of(connection: Connection, trial_id: int) -> TrialState | None:
    """The state of a trial, or None if there is none."""
    row = connection.execute(_STATE, {"of_trial": trial_id}).first()
    return None if row is None else row.state


def beat(connection: Connection, trial_id: int) -> None:
    """Records a heartbeat, by the time of the database."""
    if not connection.execute(_BEAT, {"of_trial": trial_id}).rowcount:
        connection.execute(_INSERT[BEATS], {"trial_id": trial_id})


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
        (USER, user, None if known is None else known.user_attrs),
        (SYSTEM, system, None if known is None else known.system_attrs),
        (PARAMS, params, None if known is None else known.params),
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
        sql.select(PARAMS.c.distribution_json)
        .join(TRIALS, TRIALS.c.trial_id == PARAMS.c.trial_id)
        .where(TRIALS.c.study_id == study, PARAMS.c.param_name == name)
        .limit(1)
    )
    text = connection.execute(earlier).scalar()
    if text is not None:
        check_distribution_compatibility(distribution_of(text), distribution)
