"""The costs of a search that depend on a device: latency, memory and energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import latency
from latency.costs import COSTS, Source, cost_names, create_cost
from latency.devices.device import Placement, parse_device
from latency.engines import create_engine, predictable_engines
from latency.engines.engine import source_for
from latency.measuring.energy_meters import open_meter
from latency.measuring.reference_network import INPUT_SHAPE, reference_network
from nas.errors import UserError, sentence
from nas.evaluation.costs import CostMeter, Extras, check_computes
from nas.evaluation.latency.confirmation import Confirmation
from nas.evaluation.latency.readiness import ready_forecast
from nas.evaluation.latency.settings import LatencySettings
from nas.kinds.candidates import Candidates
from nas.searching.assembly import Confirm
from nas.searching.config import ImageSearchConfig
from nas.searching.limits import check_limited_costs, check_limits
from nas.searching.reward import with_bases
from search_spaces.genotype import Genotype

LATENCY, ENERGY = "latency", "energy"
_ALWAYS = frozenset({"params", "macs", "flops"})
"""Costs that are counted of every candidate."""

C = TypeVar("C", bound=ImageSearchConfig)


@dataclass(frozen=True)
class Told:
    """What tells the costs of the candidates of a search.

    Attributes:
        meter: Before they are trained.
        confirm: After the best were trained; None where nothing is predicted.
    """

    meter: CostMeter
    confirm: Confirm | None = None


def on_device(costs: Iterable[str]) -> frozenset[str]:
    """Those of the costs that depend on the device."""
    return frozenset(cost for cost in costs if COSTS.get(cost).source is not Source.COUNTED)


def slow_costs(config: ImageSearchConfig) -> frozenset[str]:
    """The costs of a search for which every network has to run."""
    slow = {Source.MEASURED}
    if config.latency.source == "measured":
        slow.add(Source.PREDICTED)
    return frozenset(cost for cost in asked_costs(config) if COSTS.get(cost).source in slow)


def asked_costs(config: ImageSearchConfig) -> frozenset[str]:
    """The costs that are penalised or limited."""
    return frozenset({*config.objectives[1:], *config.limits})


def check_device_costs(config: ImageSearchConfig, device: str) -> None:
    """Refuses costs that cannot be told on the device that candidates are meant for.

    Args:
        config: Of the search.
        device: Where candidates are trained.

    Raises:
        UserError: With the reason.
    """
    check_limited_costs(config.limits, cost_names())
    settings, asked = config.latency, asked_costs(config)
    if settings.device is None and not on_device(asked):
        return
    chosen = settings.device or device
    with _sentences("latency"):
        create_engine(settings.engine)
        latency.identify(chosen, settings.threads, settings.engine)
    predicted = LATENCY in asked and settings.source == "predicted"
    if predicted and not create_engine(settings.engine).predictable:
        raise UserError(
            f"latency.engine: latencies of {settings.engine} cannot be predicted, only of "
            f"{', '.join(predictable_engines())}; choose one of these, or measure every candidate "
            "with --set latency.source=measured."
        )
    if ENERGY in asked:
        with _sentences(ENERGY):
            open_meter(parse_device(chosen))
    if on_device(asked):
        with _sentences("latency"):
            _run_once(settings, chosen)


def on_this_device(config: C, device: str) -> C:
    """A configuration that says what the device is whose latency or energy counts.

    Args:
        config: Of the search.
        device: Where candidates are trained.

    Raises:
        UserError: If the search began on another device.
    """
    settings = config.latency
    if not on_device(asked_costs(config)):
        return config
    with _sentences("latency"):
        key = latency.identify(settings.device or device, settings.threads, settings.engine).key
    if settings.key not in (None, key):
        raise UserError(
            f"latency: the search began on {settings.key}, and this is {key}; figures of "
            "different devices cannot be compared, so go on there or start a new search here."
        )
    return config.model_copy(update={"latency": settings.model_copy(update={"key": key})})


def told_costs(
    config: ImageSearchConfig,
    candidates: Candidates,
    device: str,
    say: Callable[[str], None] = lambda sentence: None,
) -> Told:
    """What tells the costs of candidates; it calibrates the device where that has not been done.

    Args:
        config: Of the search.
        candidates: Its networks.
        device: Where they are trained.
        say: Told, in a sentence, of a calibration.

    Raises:
        UserError: If latencies cannot be told there.
    """
    settings, asked = on_this_device(config, device).latency, asked_costs(config)
    chosen = settings.device or device
    slow = slow_costs(config)
    with _sentences("latency"):
        measured = tuple(
            create_cost(name, chosen, settings.threads, settings.engine) for name in sorted(slow)
        )
        # Counted, and so the same on every device.
        counted = tuple(create_cost(name) for name in sorted(asked - on_device(asked) - _ALWAYS))
        if LATENCY not in asked or LATENCY in slow:
            return Told(CostMeter(candidates, Extras(None, counted, measured)))
        forecast = ready_forecast(candidates, settings, chosen, say)
    meter = CostMeter(candidates, Extras(forecast, counted, measured))
    return Told(meter, Confirmation(candidates, forecast, chosen))


def resolved(config: C, candidates: Candidates, device: str, say: Callable[[str], None]) -> C:
    """A configuration whose automatic bases are numbers, of a search that can find something.

    Raises:
        UserError: If costs cannot be told, or no sampled candidate is within the limits.
    """
    config = on_this_device(config, device)
    meter = told_costs(config, candidates, device, say).meter
    # A measurement takes seconds: limits of what is measured are met as candidates come.
    slow = slow_costs(config)
    quick = {cost: limit for cost, limit in config.limits.items() if cost not in slow}

    def told(genotype: Genotype) -> dict[str, float]:
        costs = meter.counts(genotype)
        check_computes(costs)
        return costs

    remedy = "raise that limit"
    if config.kind.sizes and config.space.name != config.kind.sizes[0]:
        smallest = config.kind.sizes[0]
        remedy += f", or choose a space of smaller networks, for example --space {smallest}"
    limited = config.model_copy(update={"limits": quick})
    check_limits(limited, candidates.space, told, say, remedy)
    return with_bases(config, candidates.space, meter, say)


def _run_once(settings: LatencySettings, device: str) -> None:
    """Runs a small network as the candidates will run.

    Raises:
        LatencyError: If the engine does not run there.
    """
    runner = create_engine(settings.engine)
    placement = Placement(parse_device(device), settings.threads)
    with (
        source_for(runner, reference_network(), INPUT_SHAPE) as source,
        runner.prepare(source, INPUT_SHAPE, placement) as prepared,
    ):
        prepared.run()


@contextmanager
def _sentences(of: str) -> Iterator[None]:
    """Turns errors of the latency package into user errors."""
    try:
        yield
    except latency.LatencyError as error:
        raise UserError(f"{of}: {sentence(str(error))}") from error
