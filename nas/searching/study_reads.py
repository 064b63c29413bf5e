"""What a search reads from the tables of Optuna, in few statements.

Optuna loads objects one by one, which costs tens of milliseconds per trial. Here one statement
reads all that belongs to some trials.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Connection

from nas.searching.study_tables import (
    BEATS,
    IDS,
    PARAMS,
    STEPS,
    STUDY,
    STUDY_ATTRIBUTES,
    SYSTEM,
    TRIAL,
    TRIALS,
    USER,
    VALUES,
    distribution_of,
)

# Trials that are named one by one; of more, a whole study is read.
_MOST = 500

_ROWS = sql.select(
    *(TRIALS.c.study_id, TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state),
    *(TRIALS.c.datetime_start, TRIALS.c.datetime_complete),
)
_ROW = _ROWS.where(TRIALS.c.trial_id == TRIAL)
# One statement, and no "or" in it: SQLite would go through all trials of the study.
_ROWS_CHANGED = sql.union_all(
    _ROWS.where(TRIALS.c.study_id == STUDY, TRIALS.c.trial_id > TRIAL),
    _ROWS.where(
        *(TRIALS.c.study_id == STUDY, TRIALS.c.trial_id <= TRIAL),
        TRIALS.c.trial_id.in_(IDS),
    ),
)
_ALL_BEATS = (
    sql.select(BEATS.c.trial_id, BEATS.c.heartbeat)
    .join(TRIALS, TRIALS.c.trial_id == BEATS.c.trial_id)
    .where(
        *(TRIALS.c.study_id == STUDY, TRIALS.c.trial_id >= TRIAL),
        TRIALS.c.state == TrialState.RUNNING,
    )
)
_ATTRIBUTES_OF_STUDY = sql.select(STUDY_ATTRIBUTES.c.key, STUDY_ATTRIBUTES.c.value_json).where(
    STUDY_ATTRIBUTES.c.study_id == STUDY
)
_COUNT = sql.select(sql.func.count()).select_from(TRIALS).where(TRIALS.c.study_id == STUDY)

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
    USER: _detail(
        *(_USER_ROW, USER, "trial_user_attribute_id"),
        *(USER.c.key, USER.c.value_json, _NO_NUMBER),
    ),
    SYSTEM: _detail(
        *(_SYSTEM_ROW, SYSTEM, "trial_system_attribute_id"),
        *(SYSTEM.c.key, SYSTEM.c.value_json, _NO_NUMBER),
    ),
    PARAMS: _detail(
        *(_PARAM_ROW, PARAMS, "param_id"),
        *(PARAMS.c.param_name, PARAMS.c.distribution_json, PARAMS.c.param_value),
    ),
    VALUES: _detail(
        *(_VALUE_ROW, VALUES, "objective"),
        *(_NO_TEXT, _number_kind(VALUES.c.value_type), VALUES.c.value),
    ),
    STEPS: _detail(
        *(_STEP_ROW, STEPS, "step"),
        *(_NO_TEXT, _number_kind(STEPS.c.intermediate_value_type), STEPS.c.intermediate_value),
    ),
}
_OF_SOME = sql.union_all(
    *(details.where(table.c.trial_id.in_(IDS)) for table, details in _DETAILS.items())
)
_OF_ALL = sql.union_all(
    *(
        details.join(TRIALS, TRIALS.c.trial_id == table.c.trial_id).where(
            TRIALS.c.study_id == STUDY
        )
        for table, details in _DETAILS.items()
    )
)
# What `json.loads` does besides takes most of its time for values as short as these.
_parse = json.JSONDecoder().raw_decode
# How Optuna stores numbers that not every database can.
_NO_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


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
            distributions[name] = distribution_of(text)
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


def _local(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
