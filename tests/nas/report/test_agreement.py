from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from nas.errors import UserError
from nas.report.agreement import Retrial, Trust, agreement, read_trust
from nas.report.trust import trust_sentences, trust_table


def _retrial(trial: int, quality: float, *full: float, **changes) -> Retrial:
    known = Retrial(trial, quality, quality, {"end": quality}, full, full, full, ((0.0,),) * 2)
    return replace(known, **changes)


# By seed: in the first, trials 2 and 3 change places; in the second, trials 1 and 2.
RETRIALS = (
    _retrial(3, 0.4, 0.7, 0.8, curves=((0.1, 0.7), (0.3, 0.8))),
    _retrial(2, 0.3, 0.8, 0.6, curves=((0.2, 0.8), (0.2, 0.6))),
    _retrial(1, 0.2, 0.6, 0.7, curves=((0.3, 0.6), (0.1, 0.7))),
    _retrial(0, 0.1, 0.5, 0.5, curves=((0.4, 0.5), (0.0, 0.5))),
)
TRUST = Trust(2, (0, 1), False, 1.5, 30.0, RETRIALS, {})


def test_correlations_are_those_of_ranks() -> None:
    found = agreement([1, 2, 3, 4], [10, 30, 20, 40])
    # 1 - 6 (0 + 1 + 1 + 0) / (4 * 15), and five pairs of six agree.
    assert found.spearman.value == pytest.approx(0.8)
    assert found.kendall.value == pytest.approx(4 / 6)
    assert -1 <= found.spearman.low < 0.8 < found.spearman.high <= 1


def test_what_agrees_in_every_resample_has_an_interval_of_one_point() -> None:
    found = agreement(range(8), [value**3 for value in range(8)])
    assert (found.spearman.low, found.spearman.high) == pytest.approx((1, 1))
    reverse = agreement(range(8), range(8, 0, -1))
    assert (reverse.kendall.low, reverse.kendall.high) == pytest.approx((-1, -1))


def test_equal_qualities_have_no_correlation() -> None:
    assert agreement([1, 1, 1, 1], [1, 2, 3, 4]) is None


def test_the_search_is_compared_with_the_mean_of_the_seeds() -> None:
    # Means: 0.75, 0.7, 0.65, 0.5, the order of the search.
    assert TRUST.agreement.spearman.value == pytest.approx(1)


def test_the_ceiling_is_one_seed_against_the_others() -> None:
    # Ranks (3, 4, 2, 1) and (4, 2, 3, 1): differences 1, 2, 1, 0.
    assert TRUST.ceiling.spearman == pytest.approx(1 - 6 * 6 / 60)
    alone = [replace(r, full=r.full[:1], test=r.test[:1], curves=r.curves[:1]) for r in RETRIALS]
    assert replace(TRUST, seeds=(0,), retrials=tuple(alone)).ceiling is None


def test_a_cut_training_is_compared_with_the_ends_of_other_seeds() -> None:
    (cut,) = TRUST.cuts
    # Seed 0 after an epoch ranks (1, 2, 3, 4) against the end of seed 1, (4, 2, 3, 1): differences
    # 3, 0, 0, 3; seed 1 ranks (4, 3, 2, 1) against (3, 4, 2, 1).
    assert cut.epochs == 1
    assert cut.spearman == pytest.approx(((1 - 6 * 18 / 60) + (1 - 6 * 2 / 60)) / 2)


def test_the_regret_is_what_the_searchs_best_falls_short_of() -> None:
    best, *others = RETRIALS
    poor = replace(best, full=(0.6, 0.65))
    regret = replace(TRUST, retrials=(poor, *others)).regret
    assert (regret.figure, regret.picked, regret.best, regret.rank) == ("quality", 3, 2, 3)
    assert regret.loss == pytest.approx(0.7 - 0.625)
    assert TRUST.regret.loss == 0


def test_where_costs_are_penalised_the_regret_is_one_of_reward() -> None:
    rewards = {0: (0.9, 0.9), 1: (0.5, 0.5), 2: (0.4, 0.4), 3: (0.3, 0.3)}
    cheap = tuple(replace(one, full_rewards=rewards[one.trial]) for one in RETRIALS)
    regret = replace(TRUST, penalised=True, retrials=cheap).regret
    assert (regret.figure, regret.best, regret.rank) == ("reward", 0, 4)
    assert regret.loss == pytest.approx(0.6)


def test_a_record_gives_back_what_it_was_made_of(tmp_path) -> None:
    (tmp_path / "trust.json").write_text(json.dumps(TRUST.to_record()))
    assert read_trust(tmp_path) == TRUST
    assert read_trust(tmp_path / "elsewhere") is None


def test_a_file_that_was_edited_is_refused(tmp_path) -> None:
    (tmp_path / "trust.json").write_text('{"epochs": 3}')
    with pytest.raises(UserError, match=r"trust\.json: it cannot be read; delete it"):
        read_trust(tmp_path)


def test_sentences_tell_the_correlation_its_ceiling_and_the_regret() -> None:
    first, *others = trust_sentences(TRUST)
    assert first.startswith("Spearman 1.00 (")
    assert first.endswith("of 4 candidates with 2 epochs of training, ceiling 0.40")
    assert others == [
        "4 candidates are too few for the interval to mean much; try 8 or more",
        "the search's best in quality (trial 3) is best after it too",
    ]


def test_eight_candidates_are_not_called_few() -> None:
    several = tuple(replace(one, trial=number) for number, one in enumerate(RETRIALS + RETRIALS))
    assert not any("too few" in one for one in trust_sentences(replace(TRUST, retrials=several)))


def test_scores_that_agree_no_less_than_seeds_do_are_not_blamed() -> None:
    reverse = tuple(replace(one, quality=1 - one.quality) for one in RETRIALS)
    found = trust_sentences(replace(TRUST, retrials=reverse))
    assert "full trainings of other seeds disagree about as much" in found[2]
    assert found[3] == (
        "the search's best in quality (trial 0) is number 4 after it: regret 0.2500 against trial 3"
    )


def test_the_table_has_a_row_for_every_candidate_and_proxy() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(trust_table(TRUST))
    lines = console.file.getvalue().splitlines()
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    assert ["3", "0.4000", "0.7500", "0.7000", "0.8000", "0.7500"] in cells
    names = [row[0] for row in cells if len(row) == 4]
    assert names == [
        *("search score", "search score, on test", "full training, another seed"),
        "full training, cut after epoch 1",
    ]
    assert next(row for row in cells if row[0] == "search score")[3] == "5%"


def test_scores_that_say_nothing_are_told_with_what_a_longer_training_would_bring() -> None:
    # Both seeds agree from the first epoch on; the search ranks the other way round.
    retrials = [
        _retrial(number, -number / 10, *[number / 10] * 2, curves=((number / 10,),) * 2)
        for number in range(8)
    ]
    _, *verdict, _ = trust_sentences(replace(TRUST, retrials=tuple(retrials)))
    assert verdict == [
        "the interval includes 0: the scores may say nothing; retrain several candidates",
        "a training of about 1 epoch end to end would rank better: Spearman 1.00",
    ]
