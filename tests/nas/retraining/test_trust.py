from __future__ import annotations

from pathlib import Path

import pytest

from nas.deployment.selection import Selection, select
from nas.errors import UserError
from nas.kinds.segmentation.settings import SegmentationFitSettings
from nas.report.agreement import read_trust
from nas.report.rungs import trust_panel
from nas.report.runs import Reading, read_searches, read_snapshot
from nas.report.status import status
from nas.retraining.options import RetrainOptions
from nas.retraining.retrain import retrain
from nas.retraining.trust import TrustOptions, spread, trust
from nas.searching import full_trainer
from nas.searching.full_training import FullTraining
from nas.searching.run_folder import RunFolder

TRAINING = SegmentationFitSettings(epochs=2, batch_size=8, learning_rate=0.01, polyak=None)
HOW = FullTraining(TRAINING, distill=False, device="cpu")


@pytest.fixture
def run(own_run, monkeypatch) -> RunFolder:
    """A finished search of three candidates, which shall do."""
    monkeypatch.setattr("nas.retraining.trust.FEWEST", 3)
    return RunFolder.open(own_run)


def _trust(run: RunFolder, seeds: int = 1, on_epoch=lambda what, record, epochs: None):
    return trust(run, run.config(), TrustOptions(HOW, seeds=seeds), on_epoch)


def test_an_interrupted_judgement_goes_on_and_is_kept_for_all_who_ask(run, monkeypatch) -> None:
    told: list[str] = []

    def interrupt(what, record, epochs) -> None:
        told.append(f"{what}: {record.epoch + 1}/{epochs}")
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _trust(run, on_epoch=interrupt)
    assert read_trust(run.path) is None

    found = _trust(run, on_epoch=lambda what, record, epochs: told.append(what))
    first, second, third = (one.trial for one in found.retrials)
    assert told == [
        *(f"trial {first}, seed 0: 1/2", f"trial {first}, seed 0: 2/2"),
        *(f"trial {second}, seed 0: 1/2", f"trial {second}, seed 0"),
        *[f"trial {third}, seed 0"] * 2,
    ]
    qualities = {r.number: r.quality for r in read_snapshot(run).complete}
    assert {one.trial: one.quality for one in found.retrials} == pytest.approx(qualities)
    assert all(len(one.curves[0]) == 2 and one.full[0] > 0 for one in found.retrials)
    assert all(one.full[0] == pytest.approx(one.curves[0][-1]) for one in found.retrials)
    assert not list(run.trust.rglob("*.pt"))

    assert read_trust(run.path) == found
    snapshot = read_snapshot(run)
    assert status(snapshot).trust == found
    panel = trust_panel(read_searches([snapshot], Reading("flops")))
    assert len(panel.searches[0].both) == 3

    # Neither of these trains anything again.
    monkeypatch.setattr(full_trainer, "train_stages", None)
    assert _trust(run) == found
    (choice,) = select(run, Selection(trials=(first,)))
    options = RetrainOptions(TRAINING, distill=False, device="cpu")
    metrics = retrain(run, run.config(), choice, options)
    assert metrics["validation"]["quality"] == pytest.approx(found.retrials[0].full[0])
    assert metrics["test"]["quality"] == pytest.approx(found.retrials[0].test[0])
    assert metrics["epochs"] == 2


def test_a_candidate_that_fails_is_left_out_and_told(run, monkeypatch) -> None:
    monkeypatch.setattr("nas.retraining.trust.FEWEST", 2)
    train = full_trainer.FullTrainer.train
    genotypes = {r.number: r.genotype for r in read_snapshot(run).complete}

    def fail(self, genotype, *others):
        if str(genotype) == genotypes[1]:
            raise MemoryError
        return train(self, genotype, *others)

    monkeypatch.setattr(full_trainer.FullTrainer, "train", fail)
    found = _trust(run)
    assert sorted(one.trial for one in found.retrials) == [0, 2]
    assert found.failed[1].startswith("out of memory")


def test_too_few_candidates_are_refused(own_run: Path) -> None:
    run = RunFolder.open(own_run)
    with pytest.raises(UserError, match="3 candidates are trained to their end, and a rank"):
        _trust(run)
    with pytest.raises(UserError, match="3 candidates: a rank correlation needs at least 4"):
        TrustOptions(HOW, candidates=3)
    with pytest.raises(UserError, match="0 seeds: give at least 1"):
        TrustOptions(HOW, seeds=0)


def test_candidates_are_spread_over_the_ranking_and_more_include_fewer() -> None:
    ranking = list(range(17))
    assert spread(ranking, 5) == [0, 4, 8, 12, 16]
    assert set(spread(ranking, 5)) < set(spread(ranking, 8))
    assert spread(ranking[:3], 12) == [0, 1, 2]
