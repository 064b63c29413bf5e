"""Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, Literal

from nas.errors import UserError
from nas.tracking.tracker import Tracked, Tracker

try:
    import wandb
except ImportError as error:
    raise UserError(
        "the tracker wandb needs its package; pip install 'nas-toolkit[wandb]'."
    ) from error

PROJECT = "nas"
_MODES: dict[str, Literal["online", "offline", "disabled"]] = {
    "online": "online",
    "disabled": "disabled",
}


class WeightsAndBiases(Tracker):
    """A run in ``wandb/`` of the folder, offline unless ``WANDB_MODE=online``.

    ``wandb sync`` sends an offline run later. Credentials are wandb's own business.
    """

    name: ClassVar[str] = "wandb"

    def __init__(self, tracked: Tracked) -> None:
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=tracked.name,
            id=tracked.known_as,
            resume="allow",
            dir=str(tracked.folder),
            mode=_MODES.get(os.environ.get("WANDB_MODE", ""), "offline"),
            config=dict(tracked.settings),
            # Nothing of the machine and the command line is anybody's business.
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                init_timeout=30,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )
        # A step that comes late, as with several workers, would be dropped as wandb's own.
        self._run.define_metric("*", step_metric="step")

    @property
    def identity(self) -> str:
        """The id of the run."""
        return str(self._run.id)

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log({**figures, "step": step})

    def finish(self, figures: Mapping[str, float]) -> None:
        self._run.summary.update({f"final/{key}": value for key, value in figures.items()})
        self._run.finish()
