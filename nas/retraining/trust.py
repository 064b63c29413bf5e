"""How far the scores of a search can be trusted: some of its candidates, trained in full."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from nas.deployment.scores import scores_of
from nas.errors import UserError
from nas.evaluation.evaluation import EvaluationError
from nas.evaluation.failures import reasons
from nas.files import read_json, write_json
from nas.kinds.ahead import Announce
from nas.report.agreement import FEWEST, TRUST, Retrial, Trust
from nas.report.runs import read_snapshot, values_of
from nas.searching.config import ImageSearchConfig
from nas.searching.full_trainer import FullTrainer
from nas.searching.full_training import FullTraining, Trained
from nas.searching.records import TrialRecord
from nas.searching.run_folder import RunFolder
from nas.training.trainer import EpochRecord
from rewards import Reward

_FOUND = "found.json"


@dataclass(frozen=True)
class TrustOptions:
    """What is trained in full to judge a search.

    Attributes:
        how: The full training; its seed is the first one.
        candidates: Number of candidates, spread over all qualities.
        seeds: Number of trainings of each.

    Raises:
        UserError: If there is nothing to correlate.
    """

    how: FullTraining
    candidates: int = 12
    seeds: int = 2

    def __post_init__(self) -> None:
        if self.candidates < FEWEST:
            raise UserError(
                f"{self.candidates} candidates: a rank correlation needs at least {FEWEST}."
            )
        if self.how.training.time is not None:
            raise UserError(
                "trust compares trainings of equal epochs, and these are given a time; give the "
                "number of epochs (--epochs)."
            )
        if self.seeds < 1:
            raise UserError(f"{self.seeds} seeds: give at least 1.")


def trust(
    run: RunFolder,
    config: ImageSearchConfig,
    options: TrustOptions,
    on_epoch: Announce = lambda what, record, epochs: None,
    announce: Announce = lambda what, record, epochs: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Trust:
    """Trains candidates of a search in full and compares their qualities with those of the search.

    The trainings are kept in ``trust/`` of the run, the outcome in ``trust.json``. An interrupted
    training resumes from its last epoch, and finished ones are not repeated, nor by ``nas retrain``
    with the same settings. The test split is read for reporting.

    Args:
        run: The run folder.
        config: Its configuration.
        options: What is trained.
        on_epoch: Told (candidate and seed, epoch, number of epochs).
        announce: Told (what, epoch, epochs) where encoder or teacher must be trained again.
        say: Told, in a sentence, how much is ahead.

    Raises:
        UserError: If too few candidates are finished, there is no teacher to learn from, or the
            device is absent.
    """
    snapshot = read_snapshot(run)
    records, reward = snapshot.trained(), snapshot.reward()
    if len(records) < FEWEST:
        raise UserError(
            f"{run.path}: {len(records)} candidates are trained to their end, and a rank "
            f"correlation needs at least {FEWEST}; search on with --resume --trials N."
        )
    # Spread over all qualities, so that the correlation is about the whole search.
    chosen = spread(
        sorted(records, key=lambda r: (-(r.quality or 0), r.number)), options.candidates
    )
    seeds = range(options.how.seed, options.how.seed + options.seeds)
    trainings = len(chosen) * len(seeds)
    epochs = options.how.training.epochs
    say(
        f"{len(chosen)} of {len(records)} candidates, {len(seeds)} seeds: {trainings} trainings of "
        f"{epochs} epochs in {run.trust}"
    )
    trainer = FullTrainer.begin(run, config, options.how, announce)
    found: dict[int, list[dict[str, Any]]] = {record.number: [] for record in chosen}
    failed: dict[int, str] = {}
    for seed in seeds:
        for record in chosen:
            if record.number in failed:
                continue
            try:
                one = _found(run, trainer.with_seed(seed), record, on_epoch, say)
            except EvaluationError as error:
                failed[record.number] = str(error)
                say(f"trial {record.number}: {error}")
                continue
            found[record.number].append(one)
    whole = [record for record in chosen if record.number not in failed]
    if len(whole) < FEWEST:
        raise UserError(
            f"{run.path}: the full training of {len(failed)} candidates failed, the last one with: "
            f"{list(failed.values())[-1]}."
        )
    times = [seconds for r in whole if (seconds := r.seconds.get("total")) is not None]
    outcome = Trust(
        epochs=epochs,
        seeds=tuple(seeds),
        penalised=bool(config.reward.penalties),
        search_seconds=statistics.median(times) if times else None,
        full_seconds=statistics.median(one["seconds"] for r in whole for one in found[r.number]),
        retrials=tuple(_retrial(record, reward, found[record.number]) for record in whole),
        failed=failed,
    )
    write_json(run.path / TRUST, outcome.to_record())
    return outcome


def training_folder(run: RunFolder, epochs: int, candidate: str, seed: int) -> Path:
    """Where a full training is kept.

    Args:
        run: The run folder.
        epochs: Of the training.
        candidate: For example ``trial-3``.
        seed: Of the training.
    """
    return run.trust / f"{epochs}-epochs" / candidate / f"seed-{seed}"


def spread(ordered: Sequence[TrialRecord], number: int) -> list[TrialRecord]:
    """Candidates that are spread over a ranking, its first and its last among them.

    More of them include those of fewer, so that no training is lost when more are asked for.

    Args:
        ordered: At least two, in the order of the ranking.
        number: How many, at least two.

    Returns:
        Them in the order of the ranking; all if there are no more.
    """
    chosen = [0, len(ordered) - 1]
    while len(chosen) < min(number, len(ordered)):
        chosen.sort()
        # The middle of the widest gap.
        width, start = max((b - a, -a) for a, b in pairwise(chosen))
        chosen.append(-start + width // 2)
    return [ordered[place] for place in sorted(chosen)]


def _found(
    run: RunFolder,
    trainer: FullTrainer,
    record: TrialRecord,
    on_epoch: Announce,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What the full training of a candidate came to, now or earlier."""
    genotype, seed = trainer.space.parse(record.genotype), trainer.how.seed
    name = f"trial-{record.number}"
    folder = training_folder(run, trainer.how.training.epochs, name, seed)
    if trainer.kept(genotype, folder) is not None and (folder / _FOUND).is_file():
        found: dict[str, Any] = read_json(folder / _FOUND)
        return found
    laps = [time.perf_counter()]

    def tell(stage: str, epoch: EpochRecord, epochs: int) -> None:
        laps.append(time.perf_counter())
        on_epoch(f"trial {record.number}, seed {seed}", epoch, epochs)

    with reasons(genotype):
        trained = trainer.train(genotype, folder, tell, say)
    scores = scores_of(trained.network, trainer.task, trainer.prepared.device, trainer.reward)
    # Epochs that an earlier process has trained were not seen; these took as long.
    times = [after - before for before, after in pairwise(laps)] or [0.0]
    found = {
        "seconds": statistics.median(times) * trained.epochs,
        "curve": _curve(trained, trainer),
        **{split: scores[split]["quality"] for split in scores},
    }
    write_json(folder / _FOUND, found)
    trainer.keep(trained, genotype, folder)
    return found


def _curve(trained: Trained, trainer: FullTrainer) -> list[float]:
    """The best score so far after each epoch, larger is better."""
    (monitor, *_) = trainer.config.kind.monitors(trainer.how.training)
    sign = -1.0 if monitor.smaller_is_better else 1.0
    curve: list[float] = []
    for *_, score, best in trained.log:
        # Before the first best epoch there is nothing to keep.
        curve.append(sign * score if best or not curve else curve[-1])
    return curve


def _retrial(record: TrialRecord, reward: Reward, found: Sequence[dict[str, Any]]) -> Retrial:
    known = values_of(record, reward)
    full = [one["validation"] for one in found]
    rewards = [quality * reward.coefficient(quality, record.costs) for quality in full]
    return Retrial(
        trial=record.number,
        quality=known["quality"],
        reward=known["reward"],
        rungs=dict(record.rungs),
        full=tuple(full),
        full_rewards=tuple(rewards),
        test=tuple(one["test"] for one in found),
        curves=tuple(tuple(one["curve"]) for one in found),
    )
