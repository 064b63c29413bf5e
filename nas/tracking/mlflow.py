"""MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import ClassVar

from nas.errors import UserError
from nas.tracking.tracker import Tracked, Tracker

# A server that is gone is to cost seconds. Read when the package is imported.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

try:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
except ImportError as error:
    raise UserError(
        "the tracker mlflow needs its package; pip install 'nas-toolkit[mlflow]'."
    ) from error

EXPERIMENT = "nas"
_ADDRESS = "MLFLOW_TRACKING_URI"
_FOREIGN = re.compile(r"[^\w\-. /:]")
_LONGEST = 500
"""Characters of a parameter that every store takes."""


class MLflow(Tracker):
    """A run on the server of ``MLFLOW_TRACKING_URI``, or in ``mlflow.db`` of the folder.

    Credentials are MLflow's own business: it reads them from the environment.
    """

    name: ClassVar[str] = "mlflow"

    def __init__(self, tracked: Tracked) -> None:
        file = f"sqlite:///{(tracked.folder / 'mlflow.db').absolute()}"
        self._client = MlflowClient(os.environ.get(_ADDRESS) or file)
        if tracked.known_as is not None:
            self._run = self._client.get_run(tracked.known_as).info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        number = (
            experiment.experiment_id
            if experiment is not None
            else self._client.create_experiment(EXPERIMENT)
        )
        self._run = self._client.create_run(number, run_name=tracked.name).info.run_id
        settings = [Param(_key(k), str(v)[:_LONGEST]) for k, v in tracked.settings.items()]
        for start in range(0, len(settings), 100):
            self._client.log_batch(self._run, params=settings[start : start + 100])

    @property
    def identity(self) -> str:
        """The id of the run."""
        return str(self._run)

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        now = round(1000 * time.time())
        metrics = [Metric(_key(key), value, now, step) for key, value in figures.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def finish(self, figures: Mapping[str, float]) -> None:
        self.point(0, {f"final/{key}": value for key, value in figures.items()})
        self._client.set_terminated(self._run)


def _key(name: str) -> str:
    """A name of the characters that MLflow takes."""
    return _FOREIGN.sub("_", name)
