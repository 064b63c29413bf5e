"""What a metric is, and what it says of itself."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from rewards.errors import RewardError
from rewards.figures import finite

Scope = Literal["class", "set"]
"""Whether a metric scores every class by itself, or the whole set."""

Needs = Literal["confusion", "probabilities"]
"""What a metric is computed from."""

WHOLE_SET = "all"
"""The key of the score of a metric over the whole set, where others have the names of classes."""


class Metric:
    """A metric with all that it declares about itself.

    Args:
        function: Computes it. One that needs the confusion matrix is called with it: counts, C×C,
            rows are labels and columns predictions. One that needs probabilities is called with
            them, N×C, and with the true classes, N. It gives C scores, or a single one for the
            whole set; NaN where the metric is not defined.
        name: What configurations and records call it; letters, digits and underscores.
        label: How tables and plots call it.
        scope: ``class`` or ``set``.
        needs: ``confusion`` or ``probabilities``.
        larger_is_better: Otherwise the quality of a value is 1 less it, so that the values have to
            lie within 0 and 1.

    Raises:
        RewardError: If a value is none of those.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        label: str,
        scope: Scope = "set",
        needs: Needs = "confusion",
        larger_is_better: bool = True,
    ) -> None:
        if not re.fullmatch(r"\w+", name):
            raise RewardError(
                f"the name of a metric has letters, digits and underscores, unlike {name!r}."
            )
        for what, value, known in (
            ("scope", scope, get_args(Scope)),
            ("needs", needs, get_args(Needs)),
        ):
            if value not in known:
                raise RewardError(
                    f"{what} of the metric {name!r} must be {' or '.join(known)}, not {value!r}."
                )
        # Takes over the function's module and qualified name, by which other processes find it.
        functools.update_wrapper(self, function)
        self._function = function
        self.name = name
        self.label = label
        self.scope = scope
        self.needs = needs
        self.larger_is_better = larger_is_better

    def __call__(self, *observed: Any) -> Any:
        """What the function gives."""
        return self._function(*observed)

    def __repr__(self) -> str:
        return f"Metric({self.name!r})"

    def keys(self, classes: Sequence[str]) -> tuple[str, ...]:
        """What is scored: the classes, or `WHOLE_SET`."""
        return tuple(classes) if self.scope == "class" else (WHOLE_SET,)

    def by_key(self, classes: Sequence[str], *observed: Any) -> dict[str, float]:
        """The scores by what is scored.

        Args:
            classes: The C names.
            *observed: What the metric needs.

        Raises:
            RewardError: If the function gives another number of scores.
        """
        keys = self.keys(classes)
        values = np.asarray(self(*observed), dtype=np.float64)
        expected = (len(keys),) if self.scope == "class" else ()
        if values.shape != expected:
            raise RewardError(
                f"the metric {self.name!r} must give "
                f"{f'{len(keys)} scores' if expected else 'one score'}, and gave an array of shape "
                f"{values.shape}."
            )
        return dict(zip(keys, values.reshape(-1).tolist(), strict=True))

    def quality(self, value: Any, what: str) -> float:
        """The value, or 1 less it where smaller is better.

        Args:
            value: A score.
            what: Names it in messages.

        Raises:
            RewardError: If the value is not finite, or the smaller is better and it is not within
                0 and 1.
        """
        number = finite(value, what)
        if self.larger_is_better:
            return number
        if not 0 <= number <= 1:
            raise RewardError(
                f"{what} is the better the smaller it is, and has a quality between 0 and 1 only, "
                f"unlike {number}."
            )
        return 1 - number


def declared(
    *,
    name: str | None = None,
    label: str,
    scope: Scope = "set",
    needs: Needs = "confusion",
    larger_is_better: bool = True,
) -> Callable[[Callable[..., Any]], Metric]:
    """A decorator that makes a metric of a function, see `Metric`; the name is the function's."""

    def declare(function: Callable[..., Any]) -> Metric:
        return Metric(
            function,
            name=name or function.__name__,
            label=label,
            scope=scope,
            needs=needs,
            larger_is_better=larger_is_better,
        )

    return declare
