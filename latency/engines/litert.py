"""LiteRT, on the CPU."""

from __future__ import annotations

from latency.engines.exported import FormatEngine


class LiteRt(FormatEngine):
    """Runs what LiteRT's converter makes of a network, by XNNPACK where that has the operators."""

    name = "litert"
    on_cpu = "litert"
