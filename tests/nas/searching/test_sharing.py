"""Parts that several worker processes cannot have."""

from __future__ import annotations

import pytest

import latency
import rewards
import search_spaces
from nas.errors import UserError
from nas.searching.reading import load_config
from nas.searching.sharing import require_importable
from search_spaces.nasbench201.space import NASBench201


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    """What this file registers is forgotten after each test."""
    for registry in (
        search_spaces.registry._SPACES,
        rewards.registry._METRICS,
        latency.costs.COSTS,
    ):
        monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def local_space():
    @search_spaces.register
    class Local(NASBench201):
        """Defined within a function, as other processes do not find it."""

        name = "sharing_space"

    return {"space.name": "sharing_space"}


def local_metric():
    @rewards.register_metric(name="sharing_metric", label="wrong")
    def wrong(confusion):
        return 1 - confusion.trace() / confusion.sum()

    return {"reward.metric": "sharing_metric"}


def local_cost():
    @latency.costs.register
    class Local(latency.Cost):
        name = "sharing_cost"
        label = "nothing"

        def measure(self, model, input_shape):
            return latency.Figure(0.0)

    return {"limits": {"sharing_cost": 1.0}}


def config(options, workers):
    base = {"task": "digits", "space.name": "nasbench201", "workers": workers}
    return load_config(None, base | options)


@pytest.mark.parametrize(
    ("define", "named"),
    [
        (local_space, "space.name 'sharing_space'"),
        (local_metric, "reward.metric 'sharing_metric'"),
        (local_cost, "the cost 'sharing_cost'"),
    ],
)
def test_several_workers_are_refused_what_one_process_defines(define, named):
    options = define()
    require_importable(config(options, workers=1))
    with pytest.raises(UserError, match=f"{named} is defined in this process alone, so 2 worker"):
        require_importable(config(options, workers=2))


def test_built_in_parts_are_shared():
    require_importable(config({"reward.penalties": [{"cost": "flops"}]}, workers=2))
