"""Metrics of face presentation attack detection, from counts and from scores.

Live faces (bona fide, class 1) are the positives, attacks (class 0) the negatives: TP is a live
face that is accepted, FN one that is rejected, TN an attack that is rejected, FP one that is
accepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rewards.declaration import declared
from rewards.errors import RewardError

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AntiSpoofingMetrics:
    """Rates of one operating point; an undefined one is NaN.

    Attributes:
        accuracy: Share of correct decisions.
        far: Share of the attacks that are accepted, whatever their type.
        frr: Share of the live faces that are rejected.
        hter: Mean of far and frr.
        apcer: Attack presentation classification error rate of ISO/IEC 30107-3: the largest far of
            a type of attack; far itself where the types are not known.
        bpcer: Bona fide presentation classification error rate, frr by another name.
        acer: Mean of apcer and bpcer.
        false_omission_rate: Share of the rejected faces that are live.
        false_discovery_rate: Share of the accepted faces that are attacks.
        for_fdr_mean: Mean of the last two. It divides by decisions instead of true classes, and is
            sometimes printed as ACER by mistake.
        undefined: Why a rate is NaN, by its name.
    """

    accuracy: float
    far: float
    frr: float
    hter: float
    apcer: float
    bpcer: float
    acer: float
    false_omission_rate: float
    false_discovery_rate: float
    for_fdr_mean: float
    undefined: Mapping[str, str] = field(default_factory=dict)


def antispoofing_metrics(
    tp: int,
    fn: int,
    tn: int,
    fp: int,
    attacks: Mapping[str, tuple[int, int]] | None = None,
) -> AntiSpoofingMetrics:
    """The rates of an operating point, by ISO/IEC 30107-3 where it defines them.

    Args:
        tp: Live faces that are accepted.
        fn: Live faces that are rejected.
        tn: Attacks that are rejected.
        fp: Attacks that are accepted.
        attacks: Attacks that are rejected and accepted, by type; they add up to `tn` and `fp`.

    Raises:
        RewardError: If a count is no whole number from 0, or the types do not add up.

    Examples:
        >>> antispoofing_metrics(tp=90, fn=10, tn=190, fp=10).acer
        0.075
        >>> attacks = {"print": (100, 0), "mask": (90, 10)}
        >>> antispoofing_metrics(90, 10, 190, 10, attacks).acer
        0.1
    """
    for name, count in (("tp", tp), ("fn", fn), ("tn", tn), ("fp", fp)):
        _require_count(name, count)
    if attacks is not None:
        _require_sums(attacks, tn, fp)
    ratios = _Ratios()
    far = ratios.ratio("far", fp, fp + tn, "there is no attack")
    frr = ratios.ratio("frr", fn, fn + tp, "there is no live face")
    by_type = {name: (c[1], sum(c)) for name, c in (attacks or {}).items() if sum(c)}
    apcer = max((accepted / total for accepted, total in by_type.values()), default=far)
    omission = ratios.ratio("false_omission_rate", fn, fn + tn, "no face is rejected")
    discovery = ratios.ratio("false_discovery_rate", fp, fp + tp, "no face is accepted")
    correct = ratios.ratio("accuracy", tp + tn, tp + fn + tn + fp, "there is no face")
    for name, parts in (
        ("hter", ("far", "frr")),
        ("apcer", ("far",)),
        ("bpcer", ("frr",)),
        ("acer", ("far", "frr")),
        ("for_fdr_mean", ("false_omission_rate", "false_discovery_rate")),
    ):
        ratios.follow(name, parts)
    return AntiSpoofingMetrics(
        accuracy=correct,
        far=far,
        frr=frr,
        hter=(far + frr) / 2,
        apcer=apcer,
        bpcer=frr,
        acer=(apcer + frr) / 2,
        false_omission_rate=omission,
        false_discovery_rate=discovery,
        for_fdr_mean=(omission + discovery) / 2,
        undefined=ratios.reasons,
    )


@dataclass(frozen=True)
class Roc:
    """The operating points of a set of scores, from accepting nobody to accepting everybody.

    Attributes:
        thresholds: A face is accepted whose score is the threshold or more; they fall from
            infinity.
        fpr: Share of the attacks that are accepted.
        tpr: Share of the live faces that are accepted.
    """

    thresholds: Scores
    fpr: Scores
    tpr: Scores

    @property
    def _balanced(self) -> int:
        """The point where far and frr are nearest, the one with the lower threshold of equals."""
        distance = np.abs(self.fpr - (1 - self.tpr))
        return int(len(distance) - 1 - np.argmin(distance[::-1]))

    @property
    def eer(self) -> float:
        """Equal error rate: the mean of far and frr where they are nearest to each other."""
        point = self._balanced
        return float((self.fpr[point] + 1 - self.tpr[point]) / 2)

    @property
    def eer_threshold(self) -> float:
        """The threshold of `eer`."""
        return float(self.thresholds[self._balanced])

    def tpr_at(self, fpr: float) -> float:
        """The largest true positive rate whose false positive rate is not above `fpr`."""
        return float(self.tpr[self.fpr <= fpr].max())


def roc(scores: npt.ArrayLike, live: npt.ArrayLike) -> Roc:
    """The operating points of scores.

    Args:
        scores: How live each face looks, N; larger is more.
        live: Whether it is, N of 0 and 1.

    Raises:
        RewardError: If the shapes differ, a score is not finite, or there is no live face or no
            attack.
    """
    given, positive = _scored(scores, live)
    order = np.argsort(-given, kind="stable")
    sorted_scores, sorted_live = given[order], positive[order]
    # Equal scores are accepted together: only the last of each counts as a point.
    last = np.append(np.flatnonzero(np.diff(sorted_scores)), len(given) - 1)
    accepted_live = np.cumsum(sorted_live)[last]
    accepted = last + 1
    return Roc(
        thresholds=np.concatenate([[np.inf], sorted_scores[last]]),
        fpr=np.concatenate([[0.0], (accepted - accepted_live) / np.sum(~positive)]),
        tpr=np.concatenate([[0.0], accepted_live / np.sum(positive)]),
    )


def hter_at(threshold: float, scores: npt.ArrayLike, live: npt.ArrayLike) -> float:
    """Half total error rate at a threshold, which should come from other faces than these.

    Args:
        threshold: A face is accepted whose score is this or more.
        scores: How live each face looks, N.
        live: Whether it is, N of 0 and 1.

    Raises:
        RewardError: As `roc`.
    """
    given, positive = _scored(scores, live)
    accepted = given >= threshold
    return float((np.mean(accepted[~positive]) + np.mean(~accepted[positive])) / 2)


def bootstrap_interval(
    figure: Callable[[npt.NDArray[np.int64]], float],
    groups: npt.ArrayLike,
    *,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a figure by the bootstrap (Efron 1979).

    Whole groups are drawn: images of one subject are no independent witnesses.

    Args:
        figure: Gives the figure for the positions of images, some of them repeated. NaN, where it
            is not defined for them, is left out.
        groups: The subject of each image, N; the numbers of the images where each stands alone.
        repeats: How many draws.
        level: Share of the draws within the interval.
        seed: Decides the draws.

    Returns:
        Both ends; NaN if the figure is defined for no draw.

    Raises:
        RewardError: If there is no image, or the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise RewardError(f"the level of an interval lies between 0 and 1, unlike {level}.")
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    if not len(places):
        raise RewardError("an interval needs at least one image.")
    members = [np.flatnonzero(places == place) for place in range(places.max() + 1)]
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        drawn = generator.integers(len(members), size=len(members))
        values.append(figure(np.concatenate([members[place] for place in drawn])))
    known = np.array([value for value in values if not math.isnan(value)])
    if not known.size:
        return math.nan, math.nan
    tail = (1 - level) / 2
    return float(np.quantile(known, tail)), float(np.quantile(known, 1 - tail))


def _rate(name: str) -> Callable[[Counts], float]:
    """A rate of the pooled attacks, as a function of a confusion matrix."""

    def rate(confusion: Counts) -> float:
        if confusion.shape != (2, 2):
            raise RewardError(
                f"{name} is of two classes, attack and live, and these are {len(confusion)}."
            )
        (tn, fp), (fn, tp) = confusion.tolist()
        return float(getattr(antispoofing_metrics(tp, fn, tn, fp), name))

    return rate


@declared(label="FAR", larger_is_better=False)
def far(confusion: Counts) -> float:
    """Share of the attacks that are accepted; see `AntiSpoofingMetrics`."""
    return _rate("far")(confusion)


@declared(label="FRR", larger_is_better=False)
def frr(confusion: Counts) -> float:
    """Share of the live faces that are rejected."""
    return _rate("frr")(confusion)


@declared(label="HTER", larger_is_better=False)
def hter(confusion: Counts) -> float:
    """Mean of far and frr."""
    return _rate("hter")(confusion)


@declared(label="APCER", larger_is_better=False)
def apcer(confusion: Counts) -> float:
    """The far of all attacks together: a confusion matrix does not know their types."""
    return _rate("apcer")(confusion)


@declared(label="BPCER", larger_is_better=False)
def bpcer(confusion: Counts) -> float:
    """Share of the live faces that are rejected."""
    return _rate("bpcer")(confusion)


@declared(label="ACER", larger_is_better=False)
def acer(confusion: Counts) -> float:
    """Mean of apcer and bpcer."""
    return _rate("acer")(confusion)


@declared(label="FOR", larger_is_better=False)
def false_omission_rate(confusion: Counts) -> float:
    """Share of the rejected faces that are live."""
    return _rate("false_omission_rate")(confusion)


@declared(label="FDR", larger_is_better=False)
def false_discovery_rate(confusion: Counts) -> float:
    """Share of the accepted faces that are attacks."""
    return _rate("false_discovery_rate")(confusion)


@declared(label="mean of FOR and FDR", larger_is_better=False)
def for_fdr_mean(confusion: Counts) -> float:
    """Mean of the false omission rate and the false discovery rate."""
    return _rate("for_fdr_mean")(confusion)


@declared(label="EER", needs="probabilities", larger_is_better=False)
def eer(probabilities: Scores, targets: Counts) -> float:
    """Equal error rate; NaN without live faces or without attacks."""
    curve = _curve(probabilities, targets)
    return math.nan if curve is None else curve.eer


@declared(label="TPR at FPR 1e-2", needs="probabilities")
def tpr_at_fpr_1e2(probabilities: Scores, targets: Counts) -> float:
    """Share of the live faces accepted where at most 1 attack in 100 is; NaN as for `eer`."""
    return _tpr_at(1e-2, probabilities, targets)


@declared(label="TPR at FPR 1e-3", needs="probabilities")
def tpr_at_fpr_1e3(probabilities: Scores, targets: Counts) -> float:
    """Share of the live faces accepted where at most 1 attack in 1000 is."""
    return _tpr_at(1e-3, probabilities, targets)


@declared(label="TPR at FPR 1e-4", needs="probabilities")
def tpr_at_fpr_1e4(probabilities: Scores, targets: Counts) -> float:
    """Share of the live faces accepted where at most 1 attack in 10000 is."""
    return _tpr_at(1e-4, probabilities, targets)


def _tpr_at(fpr: float, probabilities: Scores, targets: Counts) -> float:
    curve = _curve(probabilities, targets)
    return math.nan if curve is None else curve.tpr_at(fpr)


def _curve(probabilities: Scores, targets: Counts) -> Roc | None:
    if probabilities.shape[1] != 2:
        raise RewardError(
            "rates of anti-spoofing are of two classes, attack and live, and these are "
            f"{probabilities.shape[1]}."
        )
    if len(np.unique(targets)) < 2:
        return None
    return roc(probabilities[:, 1], targets)


class _Ratios:
    """Quotients, and why some have no value."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def ratio(self, name: str, numerator: int, denominator: int, otherwise: str) -> float:
        if denominator:
            return numerator / denominator
        self.reasons[name] = otherwise
        return math.nan

    def follow(self, name: str, parts: tuple[str, ...]) -> None:
        """Gives a figure the reasons of those that it is made of."""
        found = [self.reasons[part] for part in parts if part in self.reasons]
        if found:
            self.reasons[name] = " and ".join(found)


def _require_count(name: str, count: int) -> None:
    whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not whole or count < 0:
        raise RewardError(f"{name} must be a whole number from 0, not {count!r}.")


def _require_sums(attacks: Mapping[str, tuple[int, int]], tn: int, fp: int) -> None:
    for name, pair in attacks.items():
        for count in pair:
            _require_count(f"the count of the attack {name!r}", count)
    sums = tuple(sum(pair[side] for pair in attacks.values()) for side in (0, 1))
    if sums != (tn, fp):
        raise RewardError(
            f"the types of attack add up to {sums[0]} rejected and {sums[1]} accepted, and all "
            f"attacks are {tn} and {fp}."
        )


def _scored(
    scores: npt.ArrayLike, live: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    given, labels = np.asarray(scores, dtype=np.float64), np.asarray(live)
    if given.ndim != 1 or given.shape != labels.shape:
        raise RewardError(
            f"scores and labels must be N each, not of shape {given.shape} and {labels.shape}."
        )
    if not np.isfinite(given).all():
        raise RewardError("scores must be finite.")
    if not np.isin(labels, (0, 1)).all():
        raise RewardError("labels must be 0 for an attack and 1 for a live face.")
    positive = labels.astype(bool)
    if positive.all() or not positive.any():
        raise RewardError("a curve needs live faces and attacks, and one of them is missing.")
    return given, positive
