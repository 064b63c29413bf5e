"""The kinds of tasks: what differs between them, and nothing else."""

from __future__ import annotations

from nas.kinds.registry import kind_named, kind_names, kind_of

__all__ = ["kind_named", "kind_names", "kind_of"]
