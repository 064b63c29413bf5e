"""How far the scores of a search agree with full training: the figures of ``nas trust``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nas.errors import UserError
from nas.files import finite_only, read_json
from nas.results import Records

_Values = npt.NDArray[np.float64]

TRUST = "trust.json"
"""In the run folder: the candidates that were trained in full, and what they say of the search."""
FEWEST = 4
"""Candidates below which a rank correlation means nothing."""
_RESAMPLES = 1000
_EPOCHS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300)
"""Where the curves of full trainings are read."""


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its 95 % interval, by the bootstrap over candidates."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same candidates agree.

    Attributes:
        spearman: Spearman's rank correlation.
        kendall: Kendall's tau-b, which allows for ties.
    """

    spearman: Correlation
    kendall: Correlation


@dataclass(frozen=True)
class Retrial:
    """A candidate of a search that was trained in full, once for each seed.

    Attributes:
        trial: Its number.
        quality: Its quality in the search.
        reward: Its reward there; the quality where nothing is penalised.
        rungs: Its quality at each rung of the search, in their order.
        full: Quality on the validation split after full training.
        full_rewards: The reward with that quality.
        test: Quality on the test split; None where that has none of the reward classes.
        curves: The best score on validation so far after each epoch, larger is better.
    """

    trial: int
    quality: float
    reward: float
    rungs: Mapping[str, float]
    full: tuple[float, ...]
    full_rewards: tuple[float, ...]
    test: tuple[float | None, ...]
    curves: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Regret:
    """What is lost by taking the candidate that the search rates best.

    Attributes:
        figure: What is compared after full training, "quality" or "reward".
        picked: Trial that the search rates best of those that were trained in full.
        best: Trial that is best after full training.
        loss: How much better that one is.
        rank: Place of the picked one after full training, from 1.
    """

    figure: str
    picked: int
    best: int
    loss: float
    rank: int


@dataclass(frozen=True)
class Proxy:
    """A shorter training, and how well it ranks.

    Attributes:
        name: Of the rung, or where a full training is cut.
        spearman: With full training.
        kendall: Likewise.
        epochs: Where a full training is cut, from 1; None for whatever else.
    """

    name: str
    spearman: float
    kendall: float
    epochs: int | None = None


@dataclass(frozen=True)
class Trust:
    """How far the scores of a search can be trusted.

    Attributes:
        epochs: Of a full training.
        seeds: Of the full trainings.
        penalised: Whether the search penalised a cost.
        search_seconds: Median time of a candidate in the search, or None.
        full_seconds: Median time of a full training.
        retrials: The candidates, in the order of their qualities in the search, the best first.
        failed: Reasons by trial, of candidates whose full training failed.
    """

    epochs: int
    seeds: tuple[int, ...]
    penalised: bool
    search_seconds: float | None
    full_seconds: float
    retrials: tuple[Retrial, ...]
    failed: Mapping[int, str]

    @cached_property
    def agreement(self) -> Agreement | None:
        """Quality in the search against that after full training, the mean over the seeds.

        None where a correlation is not defined: all candidates have the same quality.
        """
        return agreement(self._qualities, _means([one.full for one in self.retrials]))

    @cached_property
    def on_test(self) -> Agreement | None:
        """The same with the quality on the test split; None where that has none."""
        found = [[value for value in one.test if value is not None] for one in self.retrials]
        if any(len(values) < len(self.seeds) for values in found):
            return None
        return agreement(self._qualities, _means(found))

    @cached_property
    def ceiling(self) -> Proxy | None:
        """One full training against the mean of the others: no proxy can be expected to do better.

        None for a single seed.
        """
        ends = [[(value,) for value in one.full] for one in self.retrials]
        return self._early("full training, another seed", ends, None)

    @property
    def regret(self) -> Regret:
        """What is lost by taking the search's best."""
        figure = "reward" if self.penalised else "quality"
        told = {one.trial: getattr(one, figure) for one in self.retrials}
        values = [one.full_rewards if self.penalised else one.full for one in self.retrials]
        full = dict(zip(told, _means(values), strict=True))
        picked, best = max(told, key=told.__getitem__), max(full, key=full.__getitem__)
        rank = 1 + sum(value > full[picked] for value in full.values())
        return Regret(figure, picked, best, full[best] - full[picked], rank)

    @property
    def rungs(self) -> list[Proxy]:
        """How well each rung of the search ranks, in their order, the last one included."""
        names = list(dict.fromkeys(name for one in self.retrials for name in one.rungs))
        full = _means([one.full for one in self.retrials])
        proxies: list[Proxy] = []
        for name in names:
            if all(name in one.rungs for one in self.retrials):
                spearman, kendall = _ranks([one.rungs[name] for one in self.retrials], full)
                proxies += [] if math.isnan(spearman) else [Proxy(name, spearman, kendall)]
        return proxies

    @property
    def cuts(self) -> list[Proxy]:
        """How well a full training ranks that is cut after so many epochs, none for one seed.

        Its learning rate has been planned for the whole training, so a training that is planned to
        be as short does somewhat better. One seed is compared with the others, as in `ceiling`.
        """
        curves = [one.curves for one in self.retrials]
        cuts = [
            self._early(f"full training, cut after epoch {epochs}", curves, epochs)
            for epochs in _EPOCHS
            if epochs < self.epochs
        ]
        return [one for one in cuts if one is not None]

    def records(self) -> Records:
        """One row for each candidate."""
        return Records(
            {
                "trial": one.trial,
                "search": one.quality,
                "full": fmean(one.full),
                **{f"seed {seed}": value for seed, value in zip(self.seeds, one.full, strict=True)},
                "test": None if None in one.test else fmean(value or 0.0 for value in one.test),
            }
            for one in self.retrials
        )

    @property
    def _qualities(self) -> list[float]:
        return [one.quality for one in self.retrials]

    def _early(
        self, name: str, curves: Sequence[Sequence[Sequence[float]]], epochs: int | None
    ) -> Proxy | None:
        """One seed's curves after some epochs against the ends of the others; the mean over seeds.

        Args:
            name: Of the proxy.
            curves: By candidate and seed; one that ended early stays where it ended.
            epochs: After which they are read; None for their ends.
        """
        if len(self.seeds) < 2:
            return None
        pairs = []
        for index in range(len(self.seeds)):
            early = [one[index][:epochs][-1] for one in curves]
            late = [_without(one.full, index) for one in self.retrials]
            pairs.append(_ranks(early, _means(late)))
        spearman, kendall = (fmean(values) for values in zip(*pairs, strict=True))
        return None if math.isnan(spearman) else Proxy(name, spearman, kendall, epochs)

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form: what was observed, then the figures that follow from it."""
        ceiling = self.ceiling
        record: dict[str, Any] = finite_only(
            {
                **asdict(self),
                "figures": {
                    "validation": asdict(self.agreement) if self.agreement else None,
                    "test": asdict(self.on_test) if self.on_test else None,
                    "ceiling": asdict(ceiling) if ceiling else None,
                    "regret": asdict(self.regret),
                    "rungs": [asdict(one) for one in self.rungs],
                    "cuts": [asdict(one) for one in self.cuts],
                },
            }
        )
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what `to_record` gave."""
        values = {key: record[key] for key in cls.__dataclass_fields__}
        retrials = [
            Retrial(
                **{
                    **one,
                    "full": tuple(one["full"]),
                    "full_rewards": tuple(one["full_rewards"]),
                    "test": tuple(one["test"]),
                    "curves": tuple(map(tuple, one["curves"])),
                }
            )
            for one in values["retrials"]
        ]
        failed = {int(trial): reason for trial, reason in values["failed"].items()}
        seeds = tuple(values["seeds"])
        return cls(**{**values, "retrials": tuple(retrials), "failed": failed, "seeds": seeds})


def read_trust(run: Path) -> Trust | None:
    """What ``nas trust`` found of a run, or None before it was asked.

    Raises:
        UserError: If the file was edited and makes no sense.
    """
    path = run / TRUST
    if not path.is_file():
        return None
    try:
        return Trust.from_record(read_json(path))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: it cannot be read; delete it and run nas trust again.") from error


def agreement(early: Sequence[float], late: Sequence[float], seed: int = 0) -> Agreement | None:
    """How far two rankings of the same candidates agree.

    Args:
        early: A value for each candidate.
        late: Another one.
        seed: Of the resamples of the intervals.

    Returns:
        The correlations; None where all values of one side are the same.
    """
    one, other = np.asarray(early, float), np.asarray(late, float)
    spearman, kendall = _ranks(one, other)
    if math.isnan(spearman):
        return None
    drawn = np.random.default_rng(seed).integers(len(one), size=(_RESAMPLES, len(one)))
    found = [_spearman(one[drawn], other[drawn]), _kendall(one[drawn], other[drawn])]
    # A resample of a single value has no correlation.
    lows, highs = np.nanpercentile(found, [2.5, 97.5], axis=1)
    return Agreement(
        Correlation(spearman, float(lows[0]), float(highs[0])),
        Correlation(kendall, float(lows[1]), float(highs[1])),
    )


def _ranks(early: Any, late: Any) -> tuple[float, float]:
    """Spearman's and Kendall's correlation; NaN where all values of one side are the same."""
    one, other = np.asarray(early, float), np.asarray(late, float)
    return float(_spearman(one, other)), float(_kendall(one, other))


def _spearman(one: _Values, other: _Values) -> _Values:
    """Pearson's correlation of the ranks along the last axis."""
    # It takes most of a second to import, and most reports have nothing to rank.
    from scipy.stats import rankdata

    ranks = (rankdata(values, axis=-1) for values in (one, other))
    return _cosine(*(r - r.mean(axis=-1, keepdims=True) for r in ranks))


def _kendall(one: _Values, other: _Values) -> _Values:
    """Kendall's tau-b along the last axis: which of each pair is larger, ties counting for none."""
    signs = (np.sign(v[..., :, None] - v[..., None, :]) for v in (one, other))
    return _cosine(*(sign.reshape(*sign.shape[:-2], -1) for sign in signs))


def _cosine(one: _Values, other: _Values) -> _Values:
    lengths = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine: _Values = np.asarray((one * other).sum(axis=-1) / lengths)
    return cosine


def _means(values: Sequence[Sequence[float]]) -> list[float]:
    return [fmean(row) for row in values]


def _without(values: Sequence[float], index: int) -> list[float]:
    return [value for place, value in enumerate(values) if place != index]
