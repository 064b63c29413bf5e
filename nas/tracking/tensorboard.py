"""TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nas.errors import UserError
from nas.tracking.tracker import Tracked, Tracker

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise UserError(
        "the tracker tensorboard needs its package; pip install 'nas-toolkit[tensorboard]'."
    ) from error


class TensorBoard(Tracker):
    """Event files in ``tensorboard/`` of the folder: ``tensorboard --logdir runs``."""

    name: ClassVar[str] = "tensorboard"

    def __init__(self, tracked: Tracked) -> None:
        self._writer = SummaryWriter(str(tracked.folder / "tensorboard"))
        if tracked.known_as is None:
            table = "".join(f"| {key} | {value} |\n" for key, value in tracked.settings.items())
            self._writer.add_text("settings", f"| key | value |\n| --- | --- |\n{table}")

    @property
    def identity(self) -> str:
        """Event files of one folder are one run."""
        return "tensorboard"

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        for key, value in figures.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def finish(self, figures: Mapping[str, float]) -> None:
        for key, value in figures.items():
            self._writer.add_scalar(f"final/{key}", value)
        self._writer.close()
