from __future__ import annotations

import pytest

from nas.kinds.classification.settings import CandidateTrainingSettings
from nas.kinds.rungs import check_rungs
from nas.kinds.segmentation.settings import DecoderStageSettings


@pytest.mark.parametrize("rungs", [(), (1,), (1, 4)])
def test_rungs_before_the_last_epoch_are_taken(rungs) -> None:
    check_rungs(rungs, 5)


@pytest.mark.parametrize("rungs", [(0,), (5,), (2, 1), (1, 1)])
def test_other_rungs_are_refused(rungs) -> None:
    with pytest.raises(ValueError, match="rising epochs from 1 to 4"):
        check_rungs(rungs, 5)


@pytest.mark.parametrize("settings", [DecoderStageSettings, CandidateTrainingSettings])
@pytest.mark.parametrize("rungs", [(0,), (3,), (2, 1), (1, 1)])
def test_settings_with_rungs_know_their_epochs(settings, rungs) -> None:
    with pytest.raises(ValueError, match="rising epochs from 1 to 2"):
        settings(epochs=3, rungs=rungs)
