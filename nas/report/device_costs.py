"""Memory and energy of a network, for a terminal."""

from __future__ import annotations

from rich.table import Table

from latency.counting.peak_memory import Memory
from latency.measuring.energy import Energy
from latency.units import BYTES


def memory_table(memory: Memory, allocated: int | None) -> Table:
    """The peak memory of a forward pass.

    Args:
        memory: As counted.
        allocated: Bytes that PyTorch allocates on the GPU, where that was measured.
    """
    table = _table("Memory, counted")
    table.add_row("weights", BYTES.write(memory.weights))
    table.add_row("activations at once", BYTES.write(memory.activations))
    table.add_row("peak", BYTES.write(memory.peak))
    if allocated is not None:
        table.add_row("allocated by PyTorch", BYTES.write(allocated))
    return table


def energy_table(energy: Energy) -> Table:
    """The energy of a forward pass."""
    table = _table("Energy of one run")
    table.add_row("whole device", f"{energy.mj:.3g} mJ")
    table.add_row("above the idle device", f"{energy.above_idle_mj:.3g} mJ")
    table.add_row("power", f"{energy.watts:.3g} W, idle {energy.idle_watts:.3g} W")
    table.add_row("counted by", f"{energy.source}, {energy.runs} runs in {energy.seconds:.1f} s")
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("value", overflow="fold")
    return table
