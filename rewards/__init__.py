"""How good a candidate is: metrics, their aggregation, penalties and the reward.

Everything here is a pure function of recorded figures, so a finished study can be scored
again with other penalties without training anything.
"""

from rewards.aggregation import aggregate
from rewards.antispoofing import (
    AntiSpoofingMetrics,
    Roc,
    antispoofing_metrics,
    bootstrap_interval,
    hter_at,
    roc,
)
from rewards.confusion import SegmentationMeter
from rewards.declaration import WHOLE_SET, Metric
from rewards.errors import RewardError
from rewards.penalty import Drop, Penalty, automatic_base
from rewards.registry import (
    is_importable_metric,
    metric,
    metric_address,
    metrics,
    register_metric,
)
from rewards.reward import Reward
from rewards.scores import class_scores, fastnas_quality, group_scores, macro, score

__all__ = [
    "WHOLE_SET",
    "AntiSpoofingMetrics",
    "Drop",
    "Metric",
    "Penalty",
    "Reward",
    "RewardError",
    "Roc",
    "SegmentationMeter",
    "aggregate",
    "antispoofing_metrics",
    "automatic_base",
    "bootstrap_interval",
    "class_scores",
    "fastnas_quality",
    "group_scores",
    "hter_at",
    "is_importable_metric",
    "macro",
    "metric",
    "metric_address",
    "metrics",
    "register_metric",
    "roc",
    "score",
]
