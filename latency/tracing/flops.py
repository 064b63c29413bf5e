"""FLOPs of the operations that reach the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten


def _matrix_vector(matrix: Tensor, vector: Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


_FORMULAS = {
    **flop_registry,
    # These are not in torch's registry.
    _aten.mv: _matrix_vector,
    _aten.addmv: lambda bias, matrix, vector, *_, **__: 2 * matrix.numel(),
    _aten.dot: _matrix_vector,
    _aten.vdot: _matrix_vector,
}


class Flops(TorchDispatchMode):
    """Adds up what torch's formulas say, as `torch.utils.flop_counter.FlopCounterMode` does.

    That counter follows modules too, which takes longer than the counting, and it does not know
    products with a vector.

    Attributes:
        total: FLOPs so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        formula = _FORMULAS.get(func._overloadpacket)
        if formula is None and func._can_decompose():
            # For what is made of operations that have one, such as a linear layer.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result
