"""Networks, and encoders of segmentation networks, cut into parts at named stages."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from nas.errors import UserError
from nas.models.encoder import Encoder

Shape = tuple[int, ...]
"""Of a feature map without the number of images: channels x height x width."""
Interface = tuple[Shape, ...]
"""Shapes of all maps that are handed over at a cut, that of the module it is named by first."""


class SplitNetwork(nn.Module):
    """A network that runs as a chain of parts.

    The parts share their weights with the network: its state is theirs, and its tensors keep their
    names. Use `split`.

    Args:
        network: The whole network; it is what is registered, moved and saved.
        parts: They compute, one after the other, what the network computes.
        cuts: Paths of the modules after which it is cut.
    """

    def __init__(self, network: nn.Module, parts: Sequence[fx.GraphModule], cuts: Sequence[str]):
        super().__init__()
        self.network = network
        self.cuts = tuple(cuts)
        # In a tuple, which torch does not look into: the weights are registered once.
        self.parts = tuple(parts)

    def forward(self, images: Tensor) -> Tensor:
        """What the network gives for normalised images: logits N x classes, or maps."""
        values: Any = images
        for part in self.parts:
            values = part(values)
        return values


def split(
    network: nn.Module, cuts: Sequence[str], name: str = "network", skips: bool = False
) -> SplitNetwork:
    """Cuts a network after named modules.

    Any network will do whose own ``forward`` can be traced symbolically, and in which the output
    of the module is all that the rest of the network needs.

    Args:
        network: Takes images alone. It stays as it is and shares its weights with the parts.
        cuts: Paths of the modules after which it is cut, in the order in which they run, for
            example ``layer2`` or ``blocks.3``.
        name: What the network is called, for the message.
        skips: Whether whatever else later parts need is handed over too, such as the finer maps of
            an encoder.

    Raises:
        UserError: If a module does not exist, or the network cannot be cut there.
    """
    _check_cuts(network, cuts, name)
    root = _ImagesAlone(network)
    graph = _traced(root, cuts, name)
    boundaries = _boundaries(graph, cuts, name)
    pieces = _pieces(graph, boundaries)
    _check_attributes(root, graph, name)
    if not skips:
        _check_crossings(graph, pieces, boundaries, cuts, name)
    handed = [_handed_over(graph, pieces, boundary) for boundary in boundaries]
    parts = [
        fx.GraphModule(root, _part(graph, pieces, handed, number))
        for number in range(len(cuts) + 1)
    ]
    return SplitNetwork(network, parts, cuts)


def split_encoder(encoder: Encoder, cuts: Sequence[str], name: str = "encoder") -> SplitNetwork:
    """Cuts an encoder after named modules of its backbone; its last part gives all of its maps.

    Each part hands over the output of its module, and the finer maps that a decoder needs.

    Args:
        encoder: It stays as it is and shares its weights with the parts.
        cuts: Paths within the backbone, for example ``layer2``.
        name: What the encoder is called, for the message.

    Raises:
        UserError: As `split`.
    """
    _check_cuts(encoder.backbone, cuts, name)
    return split(encoder, [f"backbone.{cut}" for cut in cuts], name, skips=True)


def interfaces(network: SplitNetwork, shape: tuple[int, int, int, int]) -> tuple[Interface, ...]:
    """Shapes at each cut, without the number of images.

    Args:
        network: Its training mode is left as it is.
        shape: N x channels x height x width of the images.

    Raises:
        UserError: If what a part hands over is no tensor.
    """
    training = network.training
    network.eval()
    found = []
    device = next(network.parameters()).device
    try:
        with torch.no_grad():
            values: Any = torch.zeros(shape, device=device)
            for part in network.parts[:-1]:
                values = part(values)
                maps = values if isinstance(values, tuple) else (values,)
                for one in maps:
                    if not isinstance(one, Tensor):
                        raise UserError(
                            f"a network hands a {type(one).__name__} over at its cut, not a "
                            "tensor; cut it at another module."
                        )
                found.append(tuple(tuple(one.shape[1:]) for one in maps))
    finally:
        network.train(training)
    return tuple(found)


def _check_cuts(network: nn.Module, cuts: Sequence[str], name: str) -> None:
    if not cuts:
        raise UserError(f"{name}: name at least one module after which to cut it.")
    modules = dict(network.named_modules())
    for cut in cuts:
        if not cut or cut not in modules:
            children = ", ".join(child for child, _ in network.named_children())
            raise UserError(f"{name} has no module {cut!r} to cut after; it has: {children}.")
        if cuts.count(cut) > 1:
            raise UserError(f"{name}: {cut!r} is named twice among the cuts.")


class _ImagesAlone(nn.Module):
    """A network whose further arguments keep their defaults, instead of being traced."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network(images)


class _Tracer(fx.Tracer):
    """Looks into the modules that hold a cut, and into no others."""

    def __init__(self, cuts: Sequence[str]):
        super().__init__()
        steps = [_inside(cut).split(".") for cut in cuts]
        self._opened = {".".join(s[:end]) for s in steps for end in range(1, len(s))}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name not in self._opened


def _inside(cut: str) -> str:
    """The path of a module of the network within `_ImagesAlone`."""
    return f"network.{cut}"


def _traced(network: nn.Module, cuts: Sequence[str], name: str) -> fx.Graph:
    training = network.training
    graphs = []
    try:
        for mode in (True, False):
            network.train(mode)
            graphs.append(_Tracer(cuts).trace(network))
    # Whatever the network's own code does with values that stand for tensors.
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{name} cannot be cut, as its forward cannot be traced: {reason}"
        ) from error
    finally:
        network.train(training)
    learning, deployed = graphs
    if learning.python_code("self").src != deployed.python_code("self").src:
        raise UserError(
            f"{name} cannot be cut, as its forward differs between training and evaluation; leave "
            "options such as drop_rate out."
        )
    return deployed


def _boundaries(graph: fx.Graph, cuts: Sequence[str], name: str) -> list[fx.Node]:
    nodes = list(graph.nodes)
    found = []
    for cut in cuts:
        calls = [node for node in nodes if (node.op, node.target) == ("call_module", _inside(cut))]
        if len(calls) != 1:
            raise UserError(
                f"{name} cannot be cut after {cut!r}, which its forward runs {len(calls)} times."
            )
        found.append(calls[0])
    order = [nodes.index(node) for node in found]
    if order != sorted(order):
        running = sorted(cuts, key=lambda cut: order[cuts.index(cut)])
        raise UserError(f"{name}: name its cuts in the order in which they run: {running}.")
    return found


def _pieces(graph: fx.Graph, boundaries: Sequence[fx.Node]) -> dict[fx.Node, int]:
    """The number of the part that each node belongs to."""
    pieces, number = {}, 0
    for node in graph.nodes:
        pieces[node] = number
        number += node in boundaries
    return pieces


def _check_attributes(network: nn.Module, graph: fx.Graph, name: str) -> None:
    parameters = dict(network.named_parameters())
    for node in graph.nodes:
        if node.op == "get_attr" and node.target not in parameters:
            # A part would keep the tensor that the network has now.
            raise UserError(
                f"{name} cannot be cut, as its forward uses the buffer {node.target!r} itself."
            )


def _check_crossings(
    graph: fx.Graph,
    pieces: dict[fx.Node, int],
    boundaries: Sequence[fx.Node],
    cuts: Sequence[str],
    name: str,
) -> None:
    for node in graph.nodes:
        for given in node.all_input_nodes:
            number = pieces[given]
            handed_over = number == pieces[node] - 1 and given is boundaries[number]
            if number != pieces[node] and not handed_over:
                raise UserError(
                    f"{name} cannot be cut after {cuts[number]!r}: what comes later needs "
                    f"{_told(given)!r} too; choose another module."
                )


def _told(node: fx.Node) -> str:
    """A module by its path, any other value by the name that the trace gives it."""
    if node.op == "call_module":
        return str(node.target).removeprefix(_inside(""))
    return node.name


def _handed_over(
    graph: fx.Graph, pieces: dict[fx.Node, int], boundary: fx.Node
) -> tuple[fx.Node, ...]:
    """What parts behind a cut need of those before it, the output of the cut's module first."""
    number = pieces[boundary]
    needed = (
        node
        for node in graph.nodes
        if pieces[node] <= number and any(pieces[user] > number for user in node.users)
    )
    return (boundary, *(node for node in needed if node is not boundary))


def _part(
    graph: fx.Graph,
    pieces: dict[fx.Node, int],
    handed: Sequence[tuple[fx.Node, ...]],
    number: int,
) -> fx.Graph:
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    if number:
        values, taken = part.placeholder("values"), handed[number - 1]
        if len(taken) == 1:
            copies[taken[0]] = values
        else:
            for index, node in enumerate(taken):
                copies[node] = part.call_function(operator.getitem, (values, index))
    for node in graph.nodes:
        if pieces[node] == number:
            copies[node] = part.node_copy(node, lambda given: copies[given])
    if number < len(handed):
        given = tuple(copies[node] for node in handed[number])
        part.output(given[0] if len(given) == 1 else given)
    part.lint()
    return part
