"""Scores of a network against spoofing on a split."""

from __future__ import annotations

import math
from dataclasses import replace

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

_RATES = (
    "acer",
    "apcer",
    "bpcer",
    "hter",
    "false_omission_rate",
    "false_discovery_rate",
    "for_fdr_mean",
)
_OF_SCORES = ("eer", "auc", "tpr_at_fpr_1e2", "tpr_at_fpr_1e3", "tpr_at_fpr_1e4")
HTER_AT_THRESHOLD = "hter_at_threshold"
"""The half total error rate at the threshold where the errors on validation are equal."""


def score_faces(
    network: nn.Module,
    task: AntiSpoofingTask,
    split: str,
    device: torch.device,
    views: ViewsName = "none",
) -> ScoreCard:
    """Scores a network, already in evaluation mode, on a split; nothing in it is random.

    APCER is that of the worst type of attack where the types are known. One threshold is taken from
    the scores on the validation split; all other decisions are the larger logit.

    Args:
        network: Gives the logits of normalised images.
        task: The data.
        split: train, validation or test.
        device: Where the network is.
        views: Views of each image whose logits are averaged.
    """
    card = score_classifier(network, task, split, device, views)
    validation = card
    if split != "validation":
        validation = score_classifier(network, task, "validation", device, views)
    threshold = _threshold(validation)
    figures = {**_rates(card, task.dataset(split).attacks), **_of_scores(card, task.classes)}
    figures[HTER_AT_THRESHOLD] = _hter_at(threshold, card)
    scores = {name: {rewards.WHOLE_SET: value} for name, value in figures.items()}
    scores.pop(HTER_AT_THRESHOLD)
    return replace(card, figures={**card.figures, **figures}, scores={**card.scores, **scores})


def _rates(card: ScoreCard, attacks: tuple[str, ...]) -> dict[str, float]:
    (tn, fp), (fn, tp) = card.confusion.tolist()
    probabilities, targets = _observed(card)
    accepted = probabilities.argmax(axis=1) == LIVE
    types, by_type = np.array(attacks), {}
    # Without the type of every attack, the worst type is not known either.
    if UNKNOWN not in types[targets != LIVE]:
        for name in sorted(set(attacks) - {UNKNOWN}):
            chosen = types == name
            by_type[name] = (int((~accepted[chosen]).sum()), int(accepted[chosen].sum()))
    found = rewards.antispoofing_metrics(tp, fn, tn, fp, by_type or None)
    return {name: getattr(found, name) for name in _RATES}


def _of_scores(card: ScoreCard, classes: tuple[str, ...]) -> dict[str, float]:
    found = rewards.score(_OF_SCORES, classes, card.confusion, card.probabilities, card.targets)
    return {name: found[name][rewards.WHOLE_SET] for name in _OF_SCORES}


def _threshold(card: ScoreCard) -> float:
    probabilities, targets = _observed(card)
    if len(np.unique(targets)) < 2:
        return math.nan
    return rewards.roc(probabilities[:, LIVE], targets).eer_threshold


def _hter_at(threshold: float, card: ScoreCard) -> float:
    probabilities, targets = _observed(card)
    if math.isnan(threshold) or len(np.unique(targets)) < 2:
        return math.nan
    return rewards.hter_at(threshold, probabilities[:, LIVE], targets)


def _observed(card: ScoreCard) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    assert card.probabilities is not None and card.targets is not None  # images have one class
    return card.probabilities, card.targets
