"""What must be as it was when a search goes on: its study, its settings and its data.

Old and new trials share one front, so that nothing which decides their scores may differ. Where
things lie may: a study knows its data, teacher, weights and table by their content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna

from nas import allowed
from nas.errors import UserError
from nas.nested import flattened, value_at
from nas.searching.config import SearchConfig
from nas.searching.locations import LOCATIONS
from nas.searching.reading import config_class

CHANGEABLE = (
    *("trials", "workers", "device", "failures_in_a_row", "beyond_in_a_row", "finalists"),
    *("candidate.seconds", "candidate.memory", "storage_timeout", "executor", "gpus_per_worker"),
    "trackers",
)
"""What of a configuration may differ when a search continues."""

_DATA = "data"


@dataclass(frozen=True)
class StudyData:
    """What trials learn from besides their settings.

    Attributes:
        fingerprints: Changes with its content, by what it is: task, teacher, encoder weights,
            table.
    """

    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> str | None:
        """Fingerprint of what scores are about: a task or a table."""
        return self.fingerprints.get("task", self.fingerprints.get("table"))

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form."""
        return asdict(self)

    @classmethod
    def of(cls, study: optuna.Study) -> StudyData | None:
        """What a study was made of, or None for one of before this was recorded."""
        record = study.user_attrs.get(_DATA)
        if record is None:
            return None
        return cls(record["fingerprints"])


_CHANGED = {
    "task": "the images, their labels or the settings of the task",
    "teacher": "the weights of the teacher",
    "encoder weights": "the weights that the encoder starts from",
    "table": "the table",
}


def check_data(study: optuna.Study, data: StudyData, where: Path) -> None:
    """Refuses data that the finished trials of a study did not learn from.

    Args:
        study: The study; one of before this was recorded fits any data.
        data: What the next trial would learn from.
        where: The run folder, for the message.

    Raises:
        UserError: If they differ.
    """
    known = StudyData.of(study)
    if known is None:
        return
    for what in sorted(known.fingerprints.keys() | data.fingerprints.keys(), key=_rank):
        if known.fingerprints.get(what) != data.fingerprints.get(what):
            remedy = " or name their folder with --data," if what == "task" else ""
            raise UserError(
                f"{where}: {_CHANGED.get(what, what)} are not those that its trials learned from, "
                f"and scores on different ones do not compare; bring those back,{remedy} or start "
                "a new search."
            )


def record_data(study: optuna.Study, data: StudyData) -> None:
    """Records what the trials of a study learn from."""
    study.set_user_attr(_DATA, data.to_record())


def check_settings(study: optuna.Study, config: SearchConfig, where: Path) -> None:
    """Refuses settings that were edited in ``config.yaml`` after the search began.

    Args:
        study: The study, which holds the configuration that its trials were made with.
        config: The configuration that the next trial would be made with.
        where: The file, for the message.

    Raises:
        UserError: With the first setting that differs, or with code that the study names and the
            user never used on this machine.
    """
    values = study.user_attrs.get("config")
    if values is None:
        return
    allowed.require(allowed.code_in(values), where.parent)
    # An older study lacks settings that have been added since; their defaults fill in.
    known = _flat(config_class(values).model_validate(values))
    now = _flat(config)
    for key in dict.fromkeys([*known, *now]):
        if is_among(key, (*CHANGEABLE, *LOCATIONS)) or agrees(known.get(key), now.get(key)):
            continue
        raise UserError(
            f"{where}: {key!r} was changed from {known.get(key)!r} to {now.get(key)!r} after the "
            "search began, which would make another search of it; change it back, or start a new "
            "search."
        )


def _flat(config: SearchConfig) -> dict[str, Any]:
    """Every value by its dotted key; a section without values has none."""
    return {k: v for k, v in flattened(config.model_dump(mode="json")).items() if v != {}}


def agrees(known: Any, asked: Any) -> bool:
    """True if a value that was asked for is what is known, where it says anything at all."""
    if isinstance(asked, Mapping):
        return all(agrees(value_at(known, str(key)), value) for key, value in asked.items())
    if isinstance(asked, (list, tuple)) and isinstance(known, list):
        return len(known) == len(asked) and all(map(agrees, known, asked))
    # An automatic value was replaced by a number when the search began.
    return bool(_portable(asked) == _portable(known)) or asked == "auto"


def _portable(value: Any) -> Any:
    """An import path of a file without its folder, which differs between machines."""
    if not isinstance(value, str):
        return value
    file, colon, name = value.rpartition(":")
    return f"{Path(file).name}:{name}" if colon and file.endswith(".py") else value


def is_among(key: str, keys: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of some, or lies below one of them."""
    return any(key == one or key.startswith(f"{one}.") for one in keys)


def _rank(what: str) -> int:
    return list(_CHANGED).index(what) if what in _CHANGED else len(_CHANGED)
