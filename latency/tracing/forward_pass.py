"""What a network computes, call by call, without computing it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latency.network import check_input_shape, deployed_copy
from latency.tracing.flops import QUESTIONS, Flops, ShapesOnly, hollow


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the input.

    Attributes:
        index: Tells it from the other values of the network.
        shape: Of the tensor.
    """

    index: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A function that was called on values.

    Attributes:
        function: What was called.
        args: Its arguments; a `Value` stands for every tensor that depends on the input, and
            other tensors are on the meta device.
        kwargs: Its named arguments, likewise.
        inputs: The values among the arguments, in order.
        results: The values that it gave.
        path: Of the module that called it, "" for the network itself and where paths are not known.
        macs: Multiply-accumulates.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Value, ...]
    results: tuple[Value, ...]
    path: str
    macs: int

    @property
    def name(self) -> str:
        """Name of the function, the same for its forms as a method, operator or in place."""
        name = self.function.__name__.strip("_")
        return _OPERATORS.get(name, name)


@dataclass(frozen=True)
class Trace:
    """The calls of one forward pass, in order.

    Attributes:
        inputs: The values that the network was given.
        calls: The calls that depend on them.
        outputs: The values that the network gave.
    """

    inputs: tuple[Value, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Value, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all calls."""
        return sum(call.macs for call in self.calls)


def trace(model: nn.Module, input_shape: Sequence[int]) -> Trace:
    """Follows the forward pass of a network in evaluation mode.

    Args:
        model: The whole deployed network. One that is on the meta device and in evaluation mode
            is followed as it is, which spares a copy.
        input_shape: Shape N, C, H, W of the input.

    Raises:
        LatencyError: If the shape is not four positive integers.
    """
    shape = check_input_shape(input_shape)
    network = meta_network(model)
    return _trace(lambda tensors: network(tensors[0]), [shape], [""])


def trace_of_maps(model: nn.Module, input_shapes: Sequence[Sequence[int]]) -> Trace:
    """Follows a part of a network that takes a list of maps, for example a decoder.

    Args:
        model: Called with one list of tensors; see `trace`.
        input_shapes: Shape N, C, H, W of each map.

    Raises:
        LatencyError: If a shape is not four positive integers.
    """
    shapes = [check_input_shape(shape) for shape in input_shapes]
    network = meta_network(model)
    return _trace(network, shapes, [""])


def trace_by_module(model: nn.Module, input_shape: Sequence[int]) -> Trace:
    """The same as `trace`, and which module makes every call, which takes twice as long.

    Raises:
        LatencyError: If the shape is not four positive integers.
    """
    shape = check_input_shape(input_shape)
    network = meta_network(model)
    path = [""]
    with module_paths(network, path):
        return _trace(lambda tensors: network(tensors[0]), [shape], path)


def meta_network(model: nn.Module) -> nn.Module:
    """The model itself if it is on the meta device and deployed, else a copy that is."""
    on_meta = all(parameter.is_meta for parameter in model.parameters())
    if on_meta and not any(module.training for module in model.modules()):
        return model
    return deployed_copy(model, "meta")


def _trace(
    forward: Callable[[list[Tensor]], Any],
    shapes: Sequence[tuple[int, ...]],
    path: list[str],
) -> Trace:
    flops = Flops()
    tracing = _Tracing(flops, path)
    # The device context covers tensors that a forward pass makes without naming a device.
    with torch.no_grad(), torch.device("meta"), flops:
        images = [torch.empty(shape) for shape in shapes]
        inputs = tuple(tracing.track(image) for image in images)
        with tracing:
            output = forward(images)
    outputs = (tracing.value(tensor) for tensor in tensors_of(output))
    return Trace(
        inputs=inputs,
        calls=tuple(tracing.calls),
        outputs=tuple(value for value in outputs if value is not None),
    )


@contextlib.contextmanager
def module_paths(network: nn.Module, path: list[str]) -> Iterator[None]:
    """Keeps the path of the module that is running at the end of a list."""
    handles = []

    def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
        path.pop()

    for name, module in network.named_modules():

        def enter(_module: nn.Module, _args: Any, name: str = name) -> None:
            path.append(name)

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Tracing(ShapesOnly):
    """Notes every call that depends on a tracked tensor.

    Args:
        flops: Counts what is not skipped.
        path: Ends in the path of the module that is running.
    """

    def __init__(self, flops: Flops, path: list[str]) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._path = path
        self._dispatched = flops
        self._counted = 0
        self._values: dict[int, Value] = {}
        self._alive: list[Tensor] = []

    def track(self, tensor: Tensor) -> Value:
        """Makes a tensor a value, in place of the one that it was before."""
        # A tensor that is gone would leave its id to another.
        self._alive.append(tensor)
        with torch._C.DisableTorchFunction():
            value = Value(len(self._alive), tuple(tensor.shape))
        self._values[id(tensor)] = value
        return value

    def value(self, tensor: Tensor) -> Value | None:
        """The value that a tensor is, None if it does not depend on the input."""
        return self._values.get(id(tensor))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in QUESTIONS:
            return super().__torch_function__(func, types, args, kwargs)
        kwargs = kwargs or {}
        found: list[Value] = []

        def noted(leaf: Any) -> Any:
            value = self._values.get(id(leaf)) if isinstance(leaf, Tensor) else None
            if value is None:
                return leaf
            found.append(value)
            return value

        noted_args = map_leaves(args, noted), map_leaves(kwargs, noted)
        result = self.result_of(func, args, kwargs)
        if not found or func in CONSTANT:
            return result
        if not _in_place(func, kwargs):
            result = map_leaves(result, self._fresh)
        written = args[0] if func is Tensor.__setitem__ else result
        results = tuple(self.track(tensor) for tensor in tensors_of(written))
        # The rest are questions that give no tensor.
        if results:
            macs = self._newly_counted()
            self.calls.append(Call(func, *noted_args, tuple(found), results, self._path[-1], macs))
        return result

    def _newly_counted(self) -> int:
        counted = self.flops + self._dispatched.total
        new = counted - self._counted
        self._counted = counted
        return new // 2

    def _fresh(self, leaf: Any) -> Any:
        # Functions that give back their argument would make two values one.
        known = isinstance(leaf, Tensor) and id(leaf) in self._values
        return hollow(leaf, leaf.shape) if known else leaf


_OPERATORS = {
    "iadd": "add",
    "radd": "add",
    "isub": "sub",
    "rsub": "sub",
    "imul": "mul",
    "rmul": "mul",
    "itruediv": "div",
    "rtruediv": "div",
    "truediv": "div",
    "rmatmul": "matmul",
    "concat": "cat",
}


CONSTANT = frozenset(
    {
        Tensor.new_empty,
        Tensor.new_full,
        Tensor.new_ones,
        Tensor.new_tensor,
        Tensor.new_zeros,
        torch.empty_like,
        torch.full_like,
        torch.ones_like,
        torch.zeros_like,
    }
)
"""Functions whose result takes no more than the shape and the type from their argument."""


def _in_place(function: Callable[..., Any], kwargs: dict[str, Any]) -> bool:
    name = function.__name__
    named = name.endswith("_") and not name.startswith("__")
    return name == "__setitem__" or named or name.startswith("__i") or bool(kwargs.get("inplace"))


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """Applies a function to the leaves of nested tuples, lists and dictionaries."""
    if isinstance(value, dict):
        return {key: map_leaves(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [map_leaves(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return change(value)


def tensors_of(value: Any) -> Iterator[Tensor]:
    """The tensors among the leaves, in a fixed order."""
    return (leaf for leaf in leaves_of(value) if isinstance(leaf, Tensor))


def leaves_of(value: Any) -> Iterator[Any]:
    """The leaves of nested tuples, lists and dictionaries, in a fixed order."""
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves_of(item)
    else:
        yield value
