"""The life of a trial: claim a place, draw a candidate, evaluate it, record what was observed.

A candidate that repeats an earlier one takes over its results. One beyond a limit of the search is
pruned before its training, one that falls behind at a rung is cut short, and a finalist's predicted
costs are measured before its values count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

import optuna
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.controllers.failures import EMPTY, INTERRUPTED, SURPLUS
from nas.controllers.sampler import BEYOND
from nas.errors import UserError
from nas.evaluation.evaluation import EmptyNetworkError, Rung
from nas.searching import interrupts
from nas.searching.allowance import Allowance
from nas.searching.assembly import Parts
from nas.searching.limits import Breaches, breaches
from nas.searching.places import Places, WorkerIdentity
from nas.searching.promotion import RUNGS, FrontSoFar, RewardsSoFar, is_promoted
from nas.searching.provenance import commit
from nas.searching.repeats import REPEATS, Keys, Repeats
from rewards import RewardError
from search_spaces.genotype import Genotype

# What a repeat takes over from the trial that it repeats.
_COPIED = (
    *("scores", "macro", "groups", "quality", "costs", "curves", "details"),
    *("rung", "stopped", RUNGS, BEYOND),
)

T = TypeVar("T")


class TrialError(Exception):
    """A trial ended without a value; its record gives the reason."""


class Transactions(Protocol):
    """A storage that writes and reads in few transactions."""

    def together(self, *, with_end: bool = False) -> AbstractContextManager[None]:
        """See `nas.searching.storage.TrialStorage.together`."""

    def as_seen(self) -> AbstractContextManager[None]:
        """See `nas.searching.storage.TrialStorage.as_seen`."""


class TrialRunner:
    """Runs one trial after another; it is the objective function that Optuna optimises.

    Args:
        parts: Space, controller, evaluator and reward of the search.
        objectives: "quality", then the costs to be minimised.
        seed: Seed of every evaluation, so that candidates differ in their genotype alone.
        origin: Which worker evaluates them, and where; see `origin_of`.
        places: The places of the study.
        storage: The storage of the study.
        limits: Largest allowed cost by name; a candidate beyond one is not trained.
        poll: Seconds between two reads of the study while another worker trains the same network.
        allowance: Seconds and memory that a candidate may take; None is any.

    Attributes:
        trial_number: Number of the current or last trial, or None before the first one.

    Raises:
        ValueError: If there are limits, but the costs are not known before training.
    """

    def __init__(
        self,
        parts: Parts,
        objectives: tuple[str, ...],
        seed: int,
        origin: Mapping[str, Any],
        places: Places,
        storage: Transactions,
        limits: Mapping[str, float] = MappingProxyType({}),
        poll: float = 0.5,
        allowance: Allowance | None = None,
    ) -> None:
        if limits and parts.known_costs is None:
            raise ValueError("limits need costs that are known before training")
        self._parts = parts
        self._objectives = objectives
        self._seed = seed
        self._origin = origin
        self._places = places
        self._storage = storage
        self._limits = limits
        self._poll = poll
        self._allowance = allowance
        self._repeats = Repeats(seed)
        self._rewards = RewardsSoFar(parts.reward)
        self._front = FrontSoFar()
        self.trial_number: int | None = None

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Runs a trial, and returns the quality and the penalised costs of its candidate.

        Raises:
            TrialError: If the candidate failed or the trial has no place.
            TrialPruned: If the candidate is beyond a limit.
            UserError: If the evaluation does not report a penalised cost.
            Exception: Any other error, after it was recorded as the reason of the failure.
        """
        self.trial_number = trial.number
        try:
            return self._run(trial)
        except (TrialError, TrialPruned, UpdateFinishedTrialError):
            raise
        except KeyboardInterrupt:
            trial.set_user_attr("failure", INTERRUPTED)
            raise
        except Exception as error:
            trial.set_user_attr("failure", _describe(error))
            raise

    def _run(self, trial: optuna.Trial) -> tuple[float, ...]:
        started = time.perf_counter()
        if not self._places.claim(trial, self._origin):
            raise self._failed(trial, SURPLUS)
        with self._storage.as_seen():
            # The study was read just before the trial began.
            genotype, keys = self._draw(trial)
        trials = trial.study.get_trials(deepcopy=False)
        record = self._copied(trial, keys, trials)
        if record is None:
            record = self._within_allowance(trial, genotype, started, trials)
        record["seconds"]["total"] = time.perf_counter() - started
        values = self._values(trial, record)
        with self._storage.together(with_end=True):
            for name, value in record.items():
                trial.set_user_attr(name, value)
        return values

    def _draw(self, trial: optuna.Trial) -> tuple[Genotype, Keys]:
        space = self._parts.space
        with self._storage.together():
            choices = {
                decision.name: trial.suggest_categorical(decision.name, decision.options)
                for decision in space.decisions
            }
            genotype = space.genotype(cast(dict[str, int | str], choices))
            keys = space.canonical_key(genotype), space.network_key(genotype)
            trial.set_user_attr("genotype", str(genotype))
            trial.set_user_attr("canonical_key", keys[0])
            trial.set_user_attr("network_key", keys[1])
        return genotype, keys

    def _copied(
        self, trial: optuna.Trial, keys: Keys, trials: Sequence[FrozenTrial]
    ) -> dict[str, Any] | None:
        """The record of an earlier trial of the same network, waiting for it if it is running."""
        while original := self._repeats.original(trial.number, keys, trials):
            if original.state == TrialState.COMPLETE:
                known = original.user_attrs
                copy = {name: known[name] for name in _COPIED if name in known}
                first = known.get(REPEATS, original.number)
                return copy | {"seconds": {}, REPEATS: first}
            with interrupts.allowed():
                time.sleep(self._poll)
            self._places.release_lost()
            trials = trial.study.get_trials(deepcopy=False)
        return None

    def _within_allowance(
        self, trial: optuna.Trial, genotype: Genotype, started: float, trials: Sequence[FrozenTrial]
    ) -> dict[str, Any]:
        if self._allowance is None:
            return self._new(trial, genotype, started)
        reason = ""
        try:
            with self._allowance.watching(trials):
                return self._new(trial, genotype, started)
        except interrupts.OverrunError as error:
            reason = str(error)
        raise self._failed(trial, reason)

    def _new(self, trial: optuna.Trial, genotype: Genotype, started: float) -> dict[str, Any]:
        if self._limits:
            self._check_limits(trial, genotype, started)
        record = self._tried(trial, lambda: self._trained(trial, genotype))
        if self._parts.confirm is None or record["stopped"]:
            return record
        values = self._values(trial, record)
        if not self._front.would_include(values, trial.study.get_trials(deepcopy=False)):
            return record
        confirm = self._parts.confirm
        record = self._tried(trial, lambda: confirm(genotype, record))
        beyond = breaches(record["costs"], self._limits)
        return record | {BEYOND: _recorded(beyond)} if beyond else record

    def _check_limits(self, trial: optuna.Trial, genotype: Genotype, started: float) -> None:
        known_costs = self._parts.known_costs
        assert known_costs is not None  # checked by the constructor
        costs = self._tried(trial, lambda: dict(known_costs(genotype)))
        beyond = breaches(costs, self._limits)
        for cost, limit in self._limits.items():
            if not math.isfinite(costs[cost]):
                raise self._failed(trial, f"{cost} is {costs[cost]}")
            # Optuna's own samplers learn from these.
            trial.set_constraint(cost, costs[cost] / limit - 1)
        if not beyond:
            return
        with self._storage.together(with_end=True):
            trial.set_user_attr("costs", costs)
            trial.set_user_attr("seconds", {"total": time.perf_counter() - started})
            trial.set_user_attr(BEYOND, _recorded(beyond))
        raise TrialPruned

    def _tried(self, trial: optuna.Trial, step: Callable[[], T]) -> T:
        reason = ""
        try:
            with interrupts.allowed():
                return step()
        except EmptyNetworkError as error:
            # Nothing went wrong: controllers learn to avoid such candidates.
            trial.set_user_attr(EMPTY, True)
            reason = _describe(error)
        except RewardError as error:
            reason = _describe(error)
        except self._parts.failures as error:
            reason = _describe(error)
        except SystemExit as end:
            # A library that gives up like this has no say over the search.
            reason = f"it ended the interpreter with exit code {end.code}"
        # Outside the handler: a chained exception would keep the tensors of the first one alive.
        raise self._failed(trial, reason)

    def _trained(self, trial: optuna.Trial, genotype: Genotype) -> dict[str, Any]:
        rungs: dict[str, float] = {}

        def decide(rung: Rung) -> bool:
            rungs[rung.name] = self._parts.reward.quality(rung.scores)
            with interrupts.held():
                return self._is_promoted(trial, rung, rungs)

        evaluation = self._parts.evaluator.evaluate(genotype, self._seed, decide)
        record = evaluation.to_record()
        quality = self._parts.reward.quality(record["scores"])
        rungs[record["rung"]] = quality
        return record | {"quality": quality, RUNGS: rungs}

    def _is_promoted(self, trial: optuna.Trial, rung: Rung, rungs: Mapping[str, float]) -> bool:
        if self._parts.promotion is None:
            return True
        # Other candidates are compared with this one while it is still running.
        with self._storage.together():
            trial.set_user_attr("costs", rung.costs)
            trial.set_user_attr(RUNGS, dict(rungs))
        reward, quality = self._parts.reward, rungs[rung.name]
        trials = trial.study.get_trials(deepcopy=False)
        rivals = self._rewards.at(rung.name, trials, trial.number)
        own = quality * reward.coefficient(quality, rung.costs)
        return is_promoted(own, rivals, self._parts.promotion)

    def _values(self, trial: optuna.Trial, record: Mapping[str, Any]) -> tuple[float, ...]:
        costs = record["costs"]
        missing = [name for name in self._objectives[1:] if name not in costs]
        if missing:
            raise UserError(
                f"the evaluation does not measure {missing[0]!r}, which is penalised; "
                f"it measures: {', '.join(sorted(costs))}."
            )
        values = (record["quality"], *(float(costs[name]) for name in self._objectives[1:]))
        for name, value in zip(self._objectives, values, strict=True):
            if not math.isfinite(value):
                raise self._failed(trial, f"{name} is {value}")
        return values

    def _failed(self, trial: optuna.Trial, reason: str) -> TrialError:
        trial.set_user_attr("failure", reason)
        return TrialError(reason)


def origin_of(worker: WorkerIdentity, device: str, seed: int) -> dict[str, Any]:
    """Where the figures of a trial come from, as the value of a single attribute.

    Args:
        worker: The process that runs the trial.
        device: Where candidates are trained.
        seed: Seed of the evaluations.
    """
    return {
        "host": worker.host,
        "device": device,
        "commit": commit(),
        "seed": seed,
        "worker": worker.to_record(),
    }


def _recorded(beyond: Breaches) -> dict[str, dict[str, float]]:
    return {cost: breach.to_record() for cost, breach in beyond.items()}


def _describe(error: Exception) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
