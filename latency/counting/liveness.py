"""How much memory the values of a straight line of steps need at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """Reads values and makes new ones.

    Attributes:
        inputs: Names of the values that it reads.
        outputs: Bytes of the values that it makes, by name.
        overwrites: Those of the inputs whose place an output of the same size may take, as that of
            an activation function may, if no later step reads them.
        is_view: Whether the outputs are the first input seen in another shape, not copied.
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, int]
    overwrites: tuple[str, ...] = ()
    is_view: bool = False


def peak_bytes(inputs: Mapping[str, int], steps: Sequence[Step], results: Sequence[str]) -> int:
    """Most bytes that are in use at once where a value goes after the last step that reads it.

    Args:
        inputs: Bytes of the values that are there from the start, by name.
        steps: In the order in which they are taken.
        results: Names of the values that must be there at the end.
    """
    return _Heap(inputs, steps, results).peak


class _Heap:
    """Storages in use; values that share one are its names."""

    def __init__(
        self, inputs: Mapping[str, int], steps: Sequence[Step], results: Sequence[str]
    ) -> None:
        self._last_use = _last_uses(steps, results)
        self._sizes: dict[str, int] = {}
        self._storage: dict[str, str] = {}
        for name, size in inputs.items():
            self._allocate(name, size)
        self.peak = self._in_use
        for position, step in enumerate(steps):
            self._take(position, step)

    @property
    def _in_use(self) -> int:
        return sum(self._sizes.values())

    def _take(self, position: int, step: Step) -> None:
        for name, size in step.outputs.items():
            storage = self._storage_for(size, position, step)
            if storage is None:
                self._allocate(name, size)
            else:
                self._storage[name] = storage
        self.peak = max(self.peak, self._in_use)
        for storage in [storage for storage in self._sizes if self._dies(storage, position)]:
            del self._sizes[storage]

    def _storage_for(self, size: int, position: int, step: Step) -> str | None:
        """The storage of an input that an output shares, None if it needs its own."""
        if step.is_view:
            return self._storage[step.inputs[0]]
        storages = (self._storage[name] for name in step.overwrites)
        fitting = (storage for storage in storages if self._sizes[storage] == size)
        return next((storage for storage in fitting if self._dies(storage, position)), None)

    def _dies(self, storage: str, position: int) -> bool:
        names = (name for name, owner in self._storage.items() if owner == storage)
        return all(self._last_use.get(name, -1) <= position for name in names)

    def _allocate(self, name: str, size: int) -> None:
        self._storage[name] = name
        self._sizes[name] = size


def _last_uses(steps: Sequence[Step], results: Sequence[str]) -> dict[str, int]:
    uses = {name: position for position, step in enumerate(steps) for name in step.inputs}
    return uses | dict.fromkeys(results, len(steps))
