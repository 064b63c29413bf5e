"""A search as trackers see it: a point for every complete trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from nas.errors import UserError
from nas.nested import flattened
from nas.searching.config import SearchConfig
from nas.searching.records import TrialRecord, complete_records
from nas.searching.reward import saved_reward
from nas.searching.run_folder import RunFolder
from nas.terminal import say
from nas.tracking.session import Tracking
from rewards import Reward


class SearchTracking:
    """Tells trackers of the complete trials of a study, in the process that started the search.

    Args:
        run: The run folder.
        config: Its configuration.
    """

    def __init__(self, run: RunFolder, config: SearchConfig) -> None:
        # An address of a database can hold what is nobody else's business.
        values: dict[str, Any] = config.model_dump(mode="json", exclude={"storage"})
        names = config.trackers or ()
        self._run, self._config = run, config
        self._tracking = Tracking(names, run.path.name, run.path, flattened(values))
        self._told: set[int] = set()
        self._active = bool(names)

    def look(self, study: optuna.Study) -> None:
        """Tells of the trials that have become complete."""
        if not self._active:
            return
        complete = complete_records(study)
        new = [record for record in complete if record.number not in self._told]
        if not new:
            return
        try:
            reward = saved_reward(self._config.reward, complete, str(self._run.path), {})
        except UserError as error:
            say(f"trackers are left out: {error}")
            self._active = False
            return
        for record in new:
            self._told.add(record.number)
            self._tracking.point(record.number, figures_of(record, reward))

    def finish(self, study: optuna.Study) -> None:
        """Tells of the last trials, and ends the runs of the trackers."""
        self.look(study)
        self._tracking.finish({"trials": len(self._told)} if self._told else {})


def figures_of(record: TrialRecord, reward: Reward) -> dict[str, float]:
    """The figures of a complete trial by the names that trackers show."""
    quality = reward.quality(record.scores)
    figures: Mapping[str, Mapping[str, float]] = {
        "cost": record.costs,
        "mean": record.macro,
        "group": record.groups,
        "seconds": record.seconds,
    }
    return {
        "quality": quality,
        "reward": quality * reward.coefficient(quality, record.costs),
        **{
            f"{part}/{key}": value
            for part, those in figures.items()
            for key, value in those.items()
        },
    }
