"""Finalists: when a search is complete, the best of its front are trained in full and ranked again.

By successive halving (Jamieson and Talwalkar, AISTATS 2016, https://arxiv.org/abs/1502.07943): all
are trained for a few epochs of a full training, and the better half of them goes on each time.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import optuna

from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError
from nas.evaluation.failures import reasons
from nas.kinds.ahead import Announce
from nas.pareto.front import front
from nas.pareto.objectives import Direction
from nas.searching import interrupts
from nas.searching.config import ImageSearchConfig
from nas.searching.full_trainer import FullTrainer
from nas.searching.full_training import FullTraining
from nas.searching.records import TrialRecord, read_records, trained
from nas.searching.reward import saved_reward
from nas.searching.run_folder import RunFolder
from nas.searching.sections import FinalistSettings
from nas.searching.study import read_study
from nas.settings import validate
from rewards import Reward

FINALISTS = "finalists"
"""Attribute of a study: what `Finalists` holds."""


@dataclass(frozen=True)
class Round:
    """Part of the training of finalists.

    Attributes:
        candidates: Number that takes part.
        epochs: Of their full training, from its beginning, after which they are compared.
    """

    candidates: int
    epochs: int


@dataclass(frozen=True)
class Finalists:
    """Candidates of the front after a longer training.

    Attributes:
        settings: How they were trained.
        trials: Number of complete trials of the search at that time.
        qualities: By trial, the quality on the validation split after so many epochs.
        failed: Reasons by trial, of those whose training failed.
        ranking: Trials, the best first; empty until all rounds are over.
    """

    settings: Mapping[str, Any]
    trials: int
    qualities: Mapping[int, Mapping[int, float]]
    failed: Mapping[int, str]
    ranking: tuple[int, ...] = ()

    @classmethod
    def of(cls, study: optuna.Study) -> Self | None:
        """What a study has recorded, or None."""
        record = study.user_attrs.get(FINALISTS)
        if record is None:
            return None
        qualities = {
            int(trial): {int(epochs): quality for epochs, quality in values.items()}
            for trial, values in record["qualities"].items()
        }
        failed = {int(trial): reason for trial, reason in record["failed"].items()}
        ranking = tuple(record["ranking"])
        return cls(record["settings"], record["trials"], qualities, failed, ranking)

    def to_record(self) -> dict[str, Any]:
        """A JSON-serialisable form."""
        return {
            "settings": dict(self.settings),
            "trials": self.trials,
            "qualities": {
                str(trial): {str(epochs): quality for epochs, quality in values.items()}
                for trial, values in self.qualities.items()
            },
            "failed": {str(trial): reason for trial, reason in self.failed.items()},
            "ranking": list(self.ranking),
        }

    def last(self, trial: int) -> tuple[int, float]:
        """The epochs that a finalist was trained for, and its quality after them."""
        epochs = max(self.qualities[trial])
        return epochs, self.qualities[trial][epochs]

    def reward(self, finalist: TrialRecord, reward: Reward) -> float:
        """What finalists are ranked by: the reward with the quality after the longest training."""
        _, quality = self.last(finalist.number)
        return quality * reward.coefficient(quality, finalist.costs)


def train_finalists(
    run: RunFolder,
    on_epoch: Announce = lambda what, record, epochs: None,
    announce: Announce = lambda what, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Finalists | None:
    """Trains the finalists of a complete search, and records the outcome in its study.

    What is recorded is not trained again, and an interrupted training goes on from its last epoch.

    Args:
        run: The run folder.
        on_epoch: Told (candidate, epoch, number of epochs).
        announce: Told of encoder or teacher where they must be trained again.
        say: Told, in a sentence, what is ahead.

    Returns:
        The finalists; None where the configuration asks for none.

    Raises:
        UserError: If every training failed, or the device is absent.
        KeyboardInterrupt: If it was interrupted or terminated.
    """
    config = run.config()
    if not isinstance(config, ImageSearchConfig) or not config.finalists.count:
        return None
    with interrupts.handled(), interrupts.held():
        return _Contest(run, config, on_epoch, announce, say).run()


def rounds(number: int, settings: FinalistSettings) -> list[Round]:
    """The rounds of a number of finalists.

    Args:
        number: At least one.
        settings: Whether the worse half drops out each time, and the epochs of the last round.
    """
    if not settings.halving:
        return [Round(number, settings.epochs)]
    last = math.ceil(math.log2(number))
    return [
        Round(math.ceil(number / 2**index), math.ceil(settings.epochs / 2 ** (last - index)))
        for index in range(last + 1)
    ]


def chosen(
    records: Sequence[TrialRecord], reward: Reward, costs: Sequence[str], number: int
) -> list[TrialRecord]:
    """The candidates of the highest reward on the front, the best first.

    Args:
        records: Those that can be on it.
        reward: Of the search.
        costs: The other axes of the front, beside the quality.
        number: Largest number of candidates.
    """
    known = [cost for cost in costs if all(cost in record.costs for record in records)]
    points = [
        (reward.quality(record.scores), *(record.costs[cost] for cost in known))
        for record in records
    ]
    smaller: list[Direction] = ["minimise"] * len(known)
    best = front(points, ["maximise", *smaller])
    found = [records[index] for index in best]
    return sorted(found, key=lambda r: (-reward(r.scores, r.costs), r.number))[:number]


class _Contest:
    """The finalists of one search while they are trained."""

    def __init__(
        self,
        run: RunFolder,
        config: ImageSearchConfig,
        on_epoch: Announce,
        announce: Announce,
        say: Callable[[str], None],
    ) -> None:
        self._run, self._config = run, config
        self._on_epoch, self._announce, self._say = on_epoch, announce, say
        self._study = read_study(run)
        self._trainer: FullTrainer | None = None
        known = config.retraining
        longer = {**known.model_dump(), "epochs": config.finalists.epochs, "time": None}
        self._how = FullTraining(
            training=validate(type(known), longer, "finalists"),
            distill=config.has_teacher and bool(config.retraining_losses),
            device=config.device,
            seed=config.seed,
        )

    def run(self) -> Finalists:
        records = read_records(self._study)
        complete = [record for record in records if record.is_complete]
        reward = saved_reward(self._config.reward, complete, str(self._run.path))
        settings = self._config.finalists
        contest = chosen(trained(records), reward, self._config.front_costs, settings.count)
        ahead = rounds(len(contest), settings)
        state = self._begin(len(complete))
        if not all(record.number in state.ranking for record in contest):
            self._tell(contest, ahead)
        for one in ahead:
            state = self._compete(contest[: one.candidates], one, state)
            contest = [record for record in contest if record.number not in state.failed]
            running = contest[: one.candidates]
            rewards = {one.number: state.reward(one, reward) for one in running}
            running.sort(key=lambda one: -rewards[one.number])
            contest = [*running, *contest[len(running) :]]
        if not contest:
            reason = list(state.failed.values())[-1]
            raise UserError(f"{self._run.path}: the training of every finalist failed: {reason}.")
        ranking = tuple(record.number for record in contest)
        state = replace(state, ranking=ranking)
        self._record(state)
        shutil.rmtree(self._run.finalists, ignore_errors=True)
        return state

    def _begin(self, trials: int) -> Finalists:
        """What is known already; nothing if it comes from another training."""
        settings = self._how.settings()
        known = Finalists.of(self._study)
        if known is None or known.settings != settings:
            return Finalists(settings, trials, {}, {})
        return replace(known, trials=trials)

    def _compete(self, records: Sequence[TrialRecord], one: Round, state: Finalists) -> Finalists:
        """Trains candidates to the end of a round; each is recorded at once."""
        for record in records:
            number = record.number
            if one.epochs in state.qualities.get(number, {}) or number in state.failed:
                continue
            qualities, failed = dict(state.qualities), dict(state.failed)
            try:
                quality = self._quality(record, one.epochs)
                qualities[number] = {**qualities.get(number, {}), one.epochs: quality}
            except EvaluationError as error:
                failed[number] = str(error)
                self._say(f"finalist trial {number}: {error}")
            state = replace(state, qualities=qualities, failed=failed, ranking=())
            self._record(state)
        return state

    def _quality(self, record: TrialRecord, epochs: int) -> float:
        with interrupts.allowed():
            if self._trainer is None:
                self._trainer = FullTrainer.begin(
                    self._run, self._config, self._how, self._announce
                )
            trainer = self._trainer
            genotype = trainer.space.parse(record.genotype)
            name = f"trial-{record.number}"
            with reasons(genotype):
                network = trainer.reach(
                    genotype,
                    self._run.finalists / name,
                    epochs,
                    lambda stage, epoch, total: self._on_epoch(f"finalist {name}", epoch, total),
                    self._say,
                )
                card = self._config.kind.score(
                    network, trainer.task, "validation", trainer.prepared.device
                )
            return trainer.quality(card)

    def _record(self, state: Finalists) -> None:
        self._study.set_user_attr(FINALISTS, state.to_record())

    def _tell(self, contest: Sequence[TrialRecord], ahead: Sequence[Round]) -> None:
        before = [0, *(one.epochs for one in ahead)]
        epochs = sum(
            one.candidates * (one.epochs - past) for one, past in zip(ahead, before, strict=False)
        )
        steps = ", ".join(f"{one.candidates} for {one.epochs}" for one in ahead)
        numbers = ", ".join(str(record.number) for record in contest)
        self._say(
            f"finalists: trials {numbers} are trained in full: {steps} epochs, {epochs} in all "
            "(--finalists 0 leaves them out)"
        )
