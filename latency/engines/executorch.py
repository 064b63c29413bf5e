"""ExecuTorch, on the CPU."""

from __future__ import annotations

from latency.engines.exported import FormatEngine


class ExecuTorch(FormatEngine):
    """Runs what ExecuTorch makes of a network, by XNNPACK where that has the operators."""

    name = "executorch"
    on_cpu = "executorch"
