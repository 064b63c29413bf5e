"""Scores of a network against spoofing on a split."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

import rewards
from nas.kinds.classification.scoring import score_classifier
from nas.tasks import AntiSpoofingTask
from nas.tasks.antispoofing.source import LIVE, UNKNOWN
from nas.training.scoring import ScoreCard
from nas.training.views import ViewsName

Interval = tuple[float, float]

_RATES = (
    "acer",
    "apcer",
    "bpcer",
    "hter",
    "false_omission_rate",
    "false_discovery_rate",
    "for_fdr_mean",
)
_FPRS = {"tpr_at_fpr_1e2": 1e-2, "tpr_at_fpr_1e3": 1e-3, "tpr_at_fpr_1e4": 1e-4}
HTER_AT_THRESHOLD = "hter_at_threshold"
"""The half total error rate at the threshold where the errors on validation are equal."""
EER_THRESHOLD = "eer_threshold"
"""That threshold: the probability of being live from which on a face is accepted."""


def score_faces(
    network: nn.Module,
    task: AntiSpoofingTask,
    split: str,
    device: torch.device,
    views: ViewsName = "none",
) -> ScoreCard:
    """Scores a network, already in evaluation mode, on a split; nothing in it is random.

    APCER is that of the worst type of attack where the types are known. One threshold is taken from
    the scores on the validation split, that of `AntiSpoofingTask.calibration` where there is one;
    all other decisions are the larger logit.

    Args:
        network: Gives the logits of normalised images.
        task: The data.
        split: train, validation or test.
        device: Where the network is.
        views: Views of each image whose logits are averaged.
    """
    card = score_classifier(network, task, split, device, views)
    calibration = card
    if split != "validation" or task.calibration is not None:
        source = task.calibration or task
        calibration = score_classifier(network, source, "validation", device, views)
    threshold = _Faces.of(calibration).eer_threshold
    figures = _Faces.of(card, task.dataset(split).attacks).figures(threshold)
    auc = rewards.score(["auc"], task.classes, card.confusion, card.probabilities, card.targets)
    figures["auc"] = auc["auc"][rewards.WHOLE_SET]
    scores = {
        name: {rewards.WHOLE_SET: value}
        for name, value in figures.items()
        if name not in ("accuracy", HTER_AT_THRESHOLD)
    }
    figures[EER_THRESHOLD] = threshold
    return replace(card, figures={**card.figures, **figures}, scores={**card.scores, **scores})


def face_intervals(card: ScoreCard, task: AntiSpoofingTask, split: str) -> dict[str, Interval]:
    """95 % intervals of the figures of `score_faces`, by the bootstrap; the threshold stays.

    Subjects are drawn where they are known, as images of one subject are no independent witnesses.

    Args:
        card: What `score_faces` gave.
        task: The data.
        split: The split that it was given for.
    """
    data = task.dataset(split)
    faces = _Faces.of(card, data.attacks)
    groups = [subject or f"image {number}" for number, subject in enumerate(data.subjects)]
    draws: dict[bytes, dict[str, float]] = {}

    def figures(rows: npt.NDArray[np.int64]) -> dict[str, float]:
        # All figures are of the same draws, so each is computed once.
        key = rows.tobytes()
        if key not in draws:
            draws[key] = faces.at(rows).figures(card.figures[EER_THRESHOLD])
        return draws[key]

    def interval(name: str) -> Interval:
        return rewards.bootstrap_interval(lambda rows: figures(rows)[name], groups)

    return {name: interval(name) for name in faces.figures(card.figures[EER_THRESHOLD])}


@dataclass(frozen=True)
class _Faces:
    """What was observed of faces: how live each looks, whether it is, and the type of attack."""

    live: npt.NDArray[np.float64]
    accepted: npt.NDArray[np.bool_]
    targets: npt.NDArray[np.int64]
    attacks: npt.NDArray[np.str_]

    @classmethod
    def of(cls, card: ScoreCard, attacks: tuple[str, ...] | None = None) -> _Faces:
        assert card.probabilities is not None  # images have one class
        assert card.targets is not None
        types = np.array(attacks or (UNKNOWN,) * len(card.targets))
        accepted = card.probabilities.argmax(axis=1) == LIVE
        return cls(card.probabilities[:, LIVE], accepted, card.targets, types)

    def at(self, rows: npt.NDArray[np.int64]) -> _Faces:
        """Some of the faces, some of them repeated."""
        return _Faces(self.live[rows], self.accepted[rows], self.targets[rows], self.attacks[rows])

    @property
    def has_both(self) -> bool:
        """Whether there are live faces and attacks."""
        return len(np.unique(self.targets)) == 2

    @property
    def eer_threshold(self) -> float:
        return rewards.roc(self.live, self.targets).eer_threshold if self.has_both else math.nan

    def figures(self, threshold: float) -> dict[str, float]:
        """All rates; NaN where there are no such faces."""
        live = self.targets == LIVE
        tp, fn = _counts(self.accepted[live])
        fp, tn = _counts(self.accepted[~live])
        types, by_type = self.attacks[~live], {}
        # Without the type of every attack, the worst type is not known either.
        if UNKNOWN not in types:
            for name in np.unique(types):
                accepted, rejected = _counts(self.accepted[~live][types == name])
                by_type[str(name)] = (rejected, accepted)
        rates = rewards.antispoofing_metrics(tp, fn, tn, fp, by_type or None)
        found = {"accuracy": rates.accuracy} | {name: getattr(rates, name) for name in _RATES}
        if not self.has_both:
            return found | dict.fromkeys(("eer", *_FPRS, HTER_AT_THRESHOLD), math.nan)
        curve = rewards.roc(self.live, self.targets)
        found["eer"] = curve.eer
        found |= {name: curve.tpr_at(fpr) for name, fpr in _FPRS.items()}
        known = not math.isnan(threshold)
        found[HTER_AT_THRESHOLD] = (
            rewards.hter_at(threshold, self.live, self.targets) if known else math.nan
        )
        return found


def _counts(accepted: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """How many faces are accepted, and how many are not."""
    return int(accepted.sum()), int((~accepted).sum())
