"""What a teacher can be expected to give a student, and what it gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas import allowed
from nas.errors import UserError
from nas.experiments.config import CONFIG, ExperimentConfig
from nas.files import read_json
from nas.kinds.teacher import METRICS
from nas.settings import read_values, validate

CLEAR_LEAD = 0.01
"""By less than this one network is hardly better than another."""
_OF_TEACHING = ("teacher", "losses", "stages")
_COMPARABLE = frozenset({*_OF_TEACHING, "teacher_model", "seed"})


@dataclass(frozen=True)
class Alone:
    """A run of the same network and training with the labels alone.

    Attributes:
        folder: Of the run.
        value: Mean of its first figure on the validation split.
    """

    folder: Path
    value: float


@dataclass(frozen=True)
class Comparison:
    """A teacher beside its student, by the first figure of their kind on the validation split.

    Attributes:
        figure: Its name.
        is_error: Whether a smaller one is better.
        teacher: That of the teacher.
        alone: The student without the teacher, where a run beside this one tells.
    """

    figure: str
    is_error: bool
    teacher: float
    alone: Alone | None

    @property
    def expected(self) -> str:
        """What to expect of the teacher before anything is trained; empty if nothing is known."""
        if self.alone is None or self._lead(self.teacher, self.alone.value) > CLEAR_LEAD:
            return ""
        return (
            f"the teacher's {self._name} of {self.teacher:.3f} is hardly better than the "
            f"{self.alone.value:.3f} of the student alone ({self.alone.folder}): expect little "
            "gain, and look for a better teacher"
        )

    def found(self, taught: float) -> str:
        """What came of it, where that is worth saying; else empty.

        Args:
            taught: The mean figure of the students.
        """
        if self.alone is not None:
            gain = self._lead(taught, self.alone.value)
            return (
                f"{self._name} {taught:.3f} with the teacher, {self.alone.value:.3f} alone "
                f"({self.alone.folder}): {gain:+.3f} by the teacher"
            )
        if self._lead(self.teacher, taught) > CLEAR_LEAD:
            return ""
        return (
            f"the teacher's {self._name} of {self.teacher:.3f} is hardly better than the "
            f"student's {taught:.3f}: the student has caught up or had little to learn, and a run "
            "of nas train with the same settings beside this one tells which"
        )

    @property
    def _name(self) -> str:
        return self.figure.replace("_", " ")

    def _lead(self, one: float, other: float) -> float:
        return other - one if self.is_error else one - other


def find_alone(folder: Path, config: ExperimentConfig, figure: str) -> Alone | None:
    """A finished run in the same parent folder that differs by the teacher and seeds alone.

    Args:
        folder: Of the run with the teacher.
        config: Of that run.
        figure: Which figure is asked for.
    """
    if config.stages:
        return None
    wanted = _compared(config)
    for path in sorted(folder.absolute().parent.glob(f"*/{CONFIG}")):
        try:
            values = read_values(path)
            if any(values.get(key) for key in _OF_TEACHING):
                continue
            # Reading a configuration looks up the code that it names.
            allowed.require(allowed.code_in(values), path)
            if _compared(validate(type(config), values, str(path))) != wanted:
                continue
            record = read_json(path.with_name(METRICS))
            return Alone(path.parent, float(record["validation"][figure]["mean"]))
        except (UserError, KeyError, TypeError, ValueError):
            # A search, somebody else's code, another version, or a run without a result yet.
            continue
    return None


def _compared(config: ExperimentConfig) -> dict[str, object]:
    return {key: value for key, value in config.identity().items() if key not in _COMPARABLE}
