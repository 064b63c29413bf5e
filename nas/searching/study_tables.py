"""The tables of Optuna, and what statements about them have in common.

Statements are made once: SQLAlchemy takes longer to put one together than SQLite to carry it out.
"""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sql
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models

TRIALS: Any = models.TrialModel.__table__
STUDIES: Any = models.StudyModel.__table__
STUDY_ATTRIBUTES: Any = models.StudyUserAttributeModel.__table__
USER: Any = models.TrialUserAttributeModel.__table__
SYSTEM: Any = models.TrialSystemAttributeModel.__table__
PARAMS: Any = models.TrialParamModel.__table__
VALUES: Any = models.TrialValueModel.__table__
STEPS: Any = models.TrialIntermediateValueModel.__table__
BEATS: Any = models.TrialHeartbeatModel.__table__

STUDY: sql.BindParameter[int] = sql.bindparam("of_study")
TRIAL: sql.BindParameter[int] = sql.bindparam("of_trial")
IDS: sql.BindParameter[list[int]] = sql.bindparam("ids", expanding=True)


@functools.lru_cache(maxsize=1024)
def distribution_of(text: str) -> BaseDistribution:
    """A distribution from its JSON; a study holds the same few ones thousands of times."""
    return json_to_distribution(text)
