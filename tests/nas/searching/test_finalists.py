from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from optuna.trial import create_trial

from nas.deployment.selection import Selection, select
from nas.errors import UserError
from nas.kinds.segmentation.settings import SegmentationFitSettings
from nas.report.runs import read_snapshot
from nas.searching import full_trainer
from nas.searching.finalists import Finalists, Round, chosen, rounds, train_finalists
from nas.searching.full_trainer import FullTrainer
from nas.searching.full_training import FullTraining
from nas.searching.records import record_of
from nas.searching.run_folder import RunFolder
from nas.searching.sections import FinalistSettings
from nas.searching.study import read_study
from rewards import Penalty, Reward


def _rounds(number: int, epochs: int, **changes) -> list[Round]:
    return rounds(number, FinalistSettings(count=number, epochs=epochs, **changes))


def test_the_better_half_goes_on_each_time() -> None:
    assert _rounds(4, 20) == [Round(4, 5), Round(2, 10), Round(1, 20)]
    assert _rounds(5, 8) == [Round(5, 1), Round(3, 2), Round(2, 4), Round(1, 8)]
    assert _rounds(1, 20) == [Round(1, 20)]
    assert _rounds(4, 20, halving=False) == [Round(4, 20)]


def _record(number: int, quality: float, params: float):
    known = {
        "quality": quality,
        "scores": {"f1": {"a": quality}},
        "costs": {"params": params, "flops": 1 / params},
    }
    return replace(record_of(create_trial(value=quality, user_attrs=known)), number=number)


def test_finalists_are_those_of_the_front_with_the_highest_reward() -> None:
    records = [_record(*row) for row in [(0, 0.5, 10), (1, 0.4, 20), (2, 0.6, 100), (3, 0.1, 1)]]
    penalised = Reward(("a",), penalties=(Penalty("params", 10, -0.5),))
    # Trial 1 is dominated by trial 0. Rewards: .5, .6 / 10 ** .5 = .19, .1 * 10 ** .5 = .32.
    assert [r.number for r in chosen(records, penalised, ["params"], 5)] == [0, 3, 2]
    assert [r.number for r in chosen(records, penalised, ["params"], 2)] == [0, 3]
    # Without penalties the quality decides.
    assert [r.number for r in chosen(records, Reward(("a",)), ["flops"], 3)] == [2]
    assert [r.number for r in chosen(records, Reward(("a",)), ["params"], 3)] == [2, 0, 3]


def test_finalists_are_ranked_by_their_reward_after_the_longest_training() -> None:
    record = _record(3, 0.1, 1)
    found = Finalists({}, 4, {3: {1: 0.2, 2: 0.3}}, {}, (3,))
    penalised = Reward(("a",), penalties=(Penalty("params", 4, -0.5),))
    assert found.reward(record, penalised) == pytest.approx(0.6)
    assert found.reward(record, Reward(("a",))) == pytest.approx(0.3)


@pytest.fixture
def run(own_run: Path) -> RunFolder:
    """A finished search of three candidates whose front shall be trained for two epochs."""
    run = RunFolder.open(own_run)
    training = {"epochs": 2, "batch_size": 8, "polyak": None, "augmentation": "none"}
    _configure(run, training, FinalistSettings(count=2, epochs=2))
    return run


def _configure(run: RunFolder, training: dict, finalists: FinalistSettings) -> None:
    config = run.config()
    retraining = config.retraining.model_copy(update=training)
    run.save_config(config.model_copy(update={"retraining": retraining, "finalists": finalists}))


def test_finalists_go_on_after_an_interruption_and_the_best_is_one_of_them(
    run, monkeypatch
) -> None:
    # Every candidate on the front: which are there is another test.
    monkeypatch.setattr("nas.searching.finalists.front", lambda points, directions: [0, 1, 2])
    told: list[str] = []

    def interrupt(what, record, epochs) -> None:
        told.append(f"{what}: {record.epoch + 1}/{epochs}")
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_finalists(run, interrupt)
    begun = Finalists.of(read_study(run))
    assert begun.ranking == () and len(begun.qualities) == 1
    assert read_snapshot(run).finals() == []

    found = train_finalists(run, lambda what, record, epochs: told.append(what))
    # Two for an epoch, of which the second was stopped after its checkpoint; then one for another.
    assert len(told) == 3 and told[2] == f"finalist trial-{found.ranking[0]}"
    winner, loser = found.ranking
    assert found.last(winner)[0] == 2 and found.last(loser)[0] == 1
    assert not run.finalists.exists()
    (best,) = select(run, Selection(best=True))
    assert best.name == f"trial-{winner}"

    monkeypatch.setattr(full_trainer, "train_stages", None)
    assert train_finalists(run) == found
    # A longer search has another front.
    snapshot = read_snapshot(run)
    longer = replace(snapshot, records=(*snapshot.records, replace(snapshot.records[0], number=9)))
    assert snapshot.finals() and longer.finals() == []


def test_the_best_finalist_is_not_the_best_of_the_search_where_more_training_says_so(run) -> None:
    snapshot = read_snapshot(run)
    worst = min(snapshot.complete, key=lambda record: record.quality)
    assert snapshot.best().number != worst.number
    finalists = Finalists({}, 3, {worst.number: {2: 0.9}}, {}, (worst.number,))
    again = replace(snapshot, finalists=finalists)
    assert again.best().number == worst.number
    void = [replace(r, void="wrong") if r.number == worst.number else r for r in again.records]
    assert replace(again, records=tuple(void)).best().number != worst.number


def test_a_finalist_whose_training_fails_is_recorded_and_drops_out(run, monkeypatch) -> None:
    monkeypatch.setattr("nas.searching.finalists.front", lambda points, directions: [0, 1, 2])
    failing: list[str] = []

    def fail(self, genotype, *others) -> None:
        failing.append(str(genotype))
        raise MemoryError

    monkeypatch.setattr(FullTrainer, "reach", fail)
    with pytest.raises(UserError, match=r"training of every finalist failed.*out of memory"):
        train_finalists(run)
    found = Finalists.of(read_study(run))
    assert len(failing) == len(found.failed) == 2 and found.ranking == ()
    assert read_snapshot(run).finals() == []


def test_a_training_that_paused_ends_like_one_that_did_not(run, tmp_path) -> None:
    training = SegmentationFitSettings(epochs=2, batch_size=8)
    how = FullTraining(training, distill=False, device="cpu")
    trainer = FullTrainer.begin(run, run.config(), how, lambda *told: None)
    genotype = trainer.space.parse(read_snapshot(run).complete[0].genotype)
    trainer.reach(genotype, tmp_path / "paused", 1)
    told: list[int] = []
    found = trainer.reach(
        genotype, tmp_path / "paused", 2, lambda stage, record, epochs: told.append(record.epoch)
    )
    assert told == [1]
    whole = trainer.train(genotype, tmp_path / "whole").network
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(found.state_dict()[key], value)


def test_a_finished_search_is_resumed_with_finalists(nas, own_run, tiny) -> None:
    options = ("--finalists", 1, "--set", "finalists.epochs=1")
    outcome = nas("search", "--run", own_run, "--resume", *options)
    assert outcome.code == 0, outcome.err
    assert re.search(r"finalists: trials \d are trained in full: 1 for 1 epochs", outcome.out)
    assert re.search(
        r"finalist 1: trial \d: reward \d\.\d{4}, quality \d\.\d{4} after 1 epochs", outcome.out
    )
    assert "after 1 epochs" in nas("status", own_run).out


def test_a_table_has_no_finalists(nas, tmp_path) -> None:
    outcome = nas("search", "--table", tmp_path / "table.npz", "--finalists", 2)
    assert outcome.code == 2
    assert "--finalists are trained on images" in outcome.err
