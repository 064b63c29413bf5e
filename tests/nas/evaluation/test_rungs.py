from __future__ import annotations

import pytest

from nas.evaluation.rungs import check_rungs
from nas.evaluation.settings import DecoderStageSettings


@pytest.mark.parametrize("rungs", [(), (1,), (1, 4)])
def test_rungs_before_the_last_epoch_are_taken(rungs) -> None:
    check_rungs(rungs, 5)


@pytest.mark.parametrize("rungs", [(0,), (5,), (2, 1), (1, 1)])
def test_other_rungs_are_refused(rungs) -> None:
    with pytest.raises(ValueError, match="rising epochs from 1 to 4"):
        check_rungs(rungs, 5)


def test_the_stage_knows_its_epochs() -> None:
    with pytest.raises(ValueError, match="rising epochs from 1 to 2"):
        DecoderStageSettings(epochs=3, rungs=(3,))
