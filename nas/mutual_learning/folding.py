"""Reorders the channels of a network at one place and leaves its function as it is."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TypeGuard

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from nas.errors import UserError

_CHANNEL_BY_CHANNEL = (
    *(nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.LeakyReLU, nn.Identity),
    *(nn.Dropout, nn.Dropout2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
)
_ELEMENTWISE = (
    *(operator.add, operator.iadd, torch.add, torch.relu),
    *(functional.relu, functional.relu_, functional.relu6, functional.silu),
)


def fold(network: nn.Module, place: str, order: Tensor, name: str = "network") -> None:
    """Permutes the channels that a module gives, with every weight that makes or takes them.

    Channel i of the module's output is afterwards what channel ``order[i]`` was. The logits stay
    the same up to rounding.

    Args:
        network: A convolutional network; its weights are changed in place.
        place: Path of the module.
        order: C, a permutation.
        name: What the network is called, for the message.

    Raises:
        UserError: If something between two convolutions mixes the channels in a way that is not
            known, such as a grouped convolution or a concatenation.
    """
    graph = _traced(network, name)
    coupled = _coupled(network, graph, _output_of(graph, place, name))
    made: list[nn.Module] = []
    taken: list[nn.Module] = []
    beside: list[nn.Module] = []
    for node in graph.nodes:
        gives, takes = node in coupled, any(given in coupled for given in node.all_input_nodes)
        if not (gives or takes):
            continue
        module = _module(network, node)
        if _is_dense(module):
            made += [module] if gives else []
            taken += [module] if takes else []
        elif isinstance(module, _BatchNorm) or _is_depthwise(module):
            beside.append(module)
        elif not _keeps_channels(module, node):
            raise _refusal(name, place, node)
    with torch.no_grad():
        # A module that runs twice is permuted once.
        for module in dict.fromkeys(made):
            _permute(module, ("weight", "bias"), 0, order)
        for module in dict.fromkeys(taken):
            _permute(module, ("weight",), 1, order)
        for module in dict.fromkeys(beside):
            _permute(module, ("weight", "bias", "running_mean", "running_var"), 0, order)


class _Tracer(fx.Tracer):
    """Looks into everything but layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # Batch norms of timm hold their activation.
        whole = isinstance(m, _BatchNorm) or not any(True for _ in m.children())
        return whole or super().is_leaf_module(m, module_qualified_name)


def _traced(network: nn.Module, name: str) -> fx.Graph:
    training = network.training
    try:
        return _Tracer().trace(network.eval())
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"the channels of {name} cannot be matched, as it cannot be traced: {reason}"
        ) from error
    finally:
        network.train(training)


def _output_of(graph: fx.Graph, place: str, name: str) -> fx.Node:
    """The last value that is computed within a module."""
    within = [
        node
        for node in graph.nodes
        if any(path == place or path.startswith(f"{place}.") for path in _stack(node))
    ]
    if not within:
        raise UserError(f"{name} has no module {place!r} whose channels could be matched.")
    found: fx.Node = within[-1]
    return found


def _stack(node: fx.Node) -> Sequence[str]:
    """Paths of the modules in which a node is computed."""
    return [path for path, _ in node.meta.get("nn_module_stack", {}).values()]


def _coupled(network: nn.Module, graph: fx.Graph, start: fx.Node) -> set[fx.Node]:
    """The values whose channels have to be in the same order as those of one value."""
    found, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        before = node.all_input_nodes if _keeps_channels(_module(network, node), node) else []
        after = [user for user in node.users if _keeps_channels(_module(network, user), user)]
        new = [one for one in (*before, *after) if one not in found]
        found.update(new)
        waiting += new
    return found


def _keeps_channels(module: nn.Module | None, node: fx.Node) -> bool:
    """Whether channel i of what comes out is made of channel i of what goes in alone."""
    if module is not None:
        known = isinstance(module, (*_CHANNEL_BY_CHANNEL, _BatchNorm))
        return known or _is_depthwise(module)
    return node.op == "call_function" and node.target in _ELEMENTWISE


def _is_dense(module: nn.Module | None) -> TypeGuard[nn.Conv2d | nn.Linear]:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


def _is_depthwise(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == module.in_channels == module.out_channels > 1
    )


def _module(network: nn.Module, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _permute(module: nn.Module, names: Sequence[str], dim: int, order: Tensor) -> None:
    for name in names:
        values = getattr(module, name, None)
        if values is not None:
            values.copy_(values.index_select(dim, order.to(values.device)))


def _refusal(name: str, place: str, node: fx.Node) -> UserError:
    return UserError(
        f"the channels of {name} after {place!r} cannot be matched: {node.name!r} does not keep "
        "them apart; train without matching."
    )
