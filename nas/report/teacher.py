"""Whether the teacher of a search has anything to teach its networks."""

from __future__ import annotations

from nas.experiments.gain import CLEAR_LEAD
from nas.report.runs import Snapshot
from nas.searching.records import trained
from rewards import RewardError


def teacher_sentence(run: Snapshot) -> str | None:
    """The quality of the teacher beside the best that was found, or None where there is none.

    Candidates learn for a short time and finalists for longer, and even so the best of them may
    be as good as what they learn from.

    Raises:
        UserError: If the saved reward cannot be read.
    """
    contest = trained(run.records)
    if run.teacher is None or not contest:
        return None
    try:
        quality = run.reward().quality(run.teacher)
    except RewardError:
        # The classes or the metric of the reward are others since.
        return None
    found = [record.quality or 0.0 for record in contest]
    if run.finalists is not None:
        found += [run.finalists.last(record.number)[1] for record in run.finals()]
    sentence = f"quality {quality:.4f}"
    if max(found) > quality - CLEAR_LEAD:
        how = "hardly" if max(found) < quality else "no"
        sentence += (
            f", {how} better than the best network's {max(found):.4f}: expect little gain from "
            "it, and look for a better teacher (--teacher RUN) or try --no-distillation"
        )
    return sentence
