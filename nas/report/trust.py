"""How far the scores of a search can be trusted, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nas.report.agreement import Proxy, Trust
from nas.report.tables import figure

_LEAST = 0.8
"""The rank correlation from which scores are called trustworthy."""
_FEW = 8
"""Candidates below which the interval is said to tell little: a resample of four that agree always
agrees, while four in a random order agree in all ranks once in 24 times."""


def trust_table(found: Trust) -> RenderableType:
    """All figures of ``nas trust``."""
    candidates = Table(
        title=f"Quality in the search and after {_epochs(found.epochs)}", title_justify="left"
    )
    rows = found.records()
    for column in rows.columns:
        candidates.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = (figure("quality", row[column]) for column in rows.columns[1:])
        candidates.add_row(str(row["trial"]), *cells)
    agreement = Table(title="Rank correlation with full training", title_justify="left")
    agreement.add_column("")
    for column in ("Spearman", "Kendall", "time"):
        agreement.add_column(column, justify="right", no_wrap=True)
    for name, one in (("search score", found.agreement), ("search score, on test", found.on_test)):
        if one is not None:
            agreement.add_row(name, str(one.spearman), str(one.kendall), _share(found))
    if found.ceiling is not None:
        agreement.add_row(*_cells(found.ceiling), "100%")
    agreement.add_section()
    if len(found.rungs) > 1:
        for rung in found.rungs:
            agreement.add_row(*_cells(rung), "")
    for cut in found.cuts:
        agreement.add_row(*_cells(cut), f"{(cut.epochs or 0) / found.epochs:.0%}")
    sentences = [*trust_sentences(found)]
    sentences += [f"trial {trial} failed: {reason}" for trial, reason in found.failed.items()]
    return Group(candidates, agreement, *map(Text, sentences))


def trust_sentences(found: Trust) -> list[str]:
    """What the figures come to, a sentence each."""
    number, one = len(found.retrials), found.agreement
    told = f"of {number} candidates with {_epochs(found.epochs)} of training"
    if one is None:
        sentences = [f"no correlation {told}: all have the same quality"]
    else:
        ceiling = "" if found.ceiling is None else f", ceiling {found.ceiling.spearman:.2f}"
        sentences = [f"Spearman {one.spearman}, Kendall {one.kendall.value:.2f} {told}{ceiling}"]
        if number < _FEW:
            sentences.append(
                f"{number} candidates are too few for the interval to mean much; try {_FEW} or more"
            )
        sentences += _verdict(found)
    regret = found.regret
    if regret.picked == regret.best:
        sentences.append(
            f"the search's best in {regret.figure} (trial {regret.picked}) is best after it too"
        )
    else:
        sentences.append(
            f"the search's best in {regret.figure} (trial {regret.picked}) is number {regret.rank} "
            f"after it: regret {regret.loss:.4f} against trial {regret.best}"
        )
    return sentences


def _verdict(found: Trust) -> list[str]:
    one, ceiling = found.agreement, found.ceiling
    assert one is not None  # the caller knows
    if one.spearman.value >= _LEAST:
        return []
    if ceiling is not None and ceiling.spearman < _LEAST:
        return [
            "full trainings of other seeds disagree about as much: the candidates hardly differ, "
            "so choose by their costs"
        ]
    told = "scores tell good from bad, not the best: retrain several candidates"
    if one.spearman.low <= 0:
        told = "the interval includes 0: the scores may say nothing; retrain several candidates"
    longer = next((cut for cut in found.cuts if cut.spearman >= _LEAST), None)
    if longer is None:
        return [told]
    return [
        told,
        f"a training of about {_epochs(longer.epochs)} end to end would rank better: Spearman "
        f"{longer.spearman:.2f}",
    ]


def _epochs(count: int | None) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _cells(one: Proxy) -> tuple[str, str, str]:
    return one.name, f"{one.spearman:.2f}", f"{one.kendall:.2f}"


def _share(found: Trust) -> str:
    if found.search_seconds is None or not found.full_seconds:
        return ""
    return f"{found.search_seconds / found.full_seconds:.0%}"
