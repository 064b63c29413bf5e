"""Metrics by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from open_registry import Registry, UnknownNameError
from rewards.declaration import Metric, Needs, Scope, declared
from rewards.errors import RewardError


def _complaint(found: Any) -> str | None:
    return None if isinstance(found, Metric) else "must be declared with rewards.register_metric"


_BUILT_IN = {
    "built_in": (
        "f1",
        "iou",
        "accuracy",
        "top1",
        "mean_class_accuracy",
        "macro_f1",
        "mean_iou",
        "auc",
    ),
    "antispoofing": (
        "far",
        "frr",
        "hter",
        "apcer",
        "bpcer",
        "acer",
        "false_omission_rate",
        "false_discovery_rate",
        "for_fdr_mean",
        "eer",
        "tpr_at_fpr_1e2",
        "tpr_at_fpr_1e3",
        "tpr_at_fpr_1e4",
    ),
}
_METRICS: Registry[Metric] = Registry(
    "metric",
    {name: f"rewards.{module}:{name}" for module, names in _BUILT_IN.items() for name in names},
    _complaint,
)


def register_metric(
    *,
    name: str | None = None,
    label: str,
    scope: Scope = "set",
    needs: Needs = "confusion",
    larger_is_better: bool = True,
) -> Callable[[Callable[..., Any]], Metric]:
    """A decorator that makes a metric of a function, known by its name.

    Args:
        name: The name; that of the function unless given.
        label: How tables and plots call it.
        scope: ``class`` for a score of each class, ``set`` for one of the whole set.
        needs: ``confusion`` for a function of a confusion matrix C×C, ``probabilities`` for one
            of probabilities N×C and true classes N.
        larger_is_better: Otherwise the quality of a value is 1 less it.

    Raises:
        ValueError: If a value is none of those, or the name is taken.

    Examples:
        >>> import rewards
        >>> @rewards.register_metric(label="error", larger_is_better=False)
        ... def error(confusion):
        ...     return 1 - confusion.trace() / confusion.sum()
    """

    def register(function: Callable[..., Any]) -> Metric:
        made = declared(
            name=name, label=label, scope=scope, needs=needs, larger_is_better=larger_is_better
        )(function)
        return _METRICS.register()(made)

    return register


def metric(name: str) -> Metric:
    """Finds a metric.

    Args:
        name: The name of one of `metrics()`, or an import path: ``package.module:name`` or
            ``path/to/file.py:name``.

    Raises:
        RewardError: If there is no such metric.
    """
    try:
        return _METRICS.get(name)
    except UnknownNameError as error:
        raise RewardError(str(error)) from error


def metrics() -> tuple[Metric, ...]:
    """The built-in and registered metrics."""
    return tuple(map(metric, _METRICS.names()))


def metric_address(found: str | Metric) -> str:
    """What `metric` takes for the same metric in another process, started in any folder.

    Returns:
        The name of a built-in metric; an import path, with the absolute path of its file, of
        others; the name of one that was defined in a notebook, which other processes do not find.

    Raises:
        RewardError: If there is no such metric.
    """
    try:
        return _METRICS.address(found)
    except UnknownNameError as error:
        raise RewardError(str(error)) from error


def is_importable_metric(found: str | Metric) -> bool:
    """Whether other processes find the metric by its `metric_address`.

    Raises:
        RewardError: If there is no such metric.
    """
    try:
        return _METRICS.is_importable(found)
    except UnknownNameError as error:
        raise RewardError(str(error)) from error
