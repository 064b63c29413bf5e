"""What a network minimises that learns together with others: DML and XML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Method = Literal["independent", "dml", "xml"]
Direction = Literal["from_peer", "to_peer"]
"""``from_peer`` is KL(peer || own), as in DML's paper; ``to_peer`` is KL(own || peer)."""
Normaliser = Literal["2(K-1)", "2K"]

Path = tuple[int, ...]
"""The network that each part comes from, by its number."""


@dataclass(frozen=True)
class MutualLoss:
    """The loss of each of K networks that learn together.

    DML is deep mutual learning (Zhang et al. 2018, https://arxiv.org/abs/1706.00384):
    CE / 2 + the mean divergence from the peers / 2. XML adds what comes out when the parts of a
    network are crossed with those of its peers: on every crossed path with a part of network k,
    the cross-entropy and the divergence from the other networks on that path, their mean where
    there are several. The sum is divided by the number of these paths, which with two parts is
    2(K - 1).

    Attributes:
        method: independent (cross-entropy alone), dml or xml.
        direction: Of the divergence.
        detached: Whether the predictions of the peers count as given. Otherwise the gradient of
            the loss of one network reaches its peers through them.
        normaliser: 2(K-1), or 2K, which divides the loss of XML by two more.
    """

    method: Method = "xml"
    direction: Direction = "from_peer"
    detached: bool = True
    normaliser: Normaliser = "2(K-1)"

    def __call__(
        self, own: int, logits: Mapping[Path, Tensor], task: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The loss of a network, a scalar.

        Args:
            own: Its number.
            logits: N x classes by path; those of `paths_of` for this network.
            task: The loss of logits towards the labels, usually the cross-entropy.
        """
        whole, others, crossed = _sorted(own, tuple(logits))
        supervised = task(logits[whole])
        if self.method == "independent":
            return supervised
        peers = {path[0]: logits[path] for path in others}
        divergence = self._mean_divergence(logits[whole], list(peers.values()))
        if self.method == "dml":
            return 0.5 * supervised + 0.5 * divergence
        terms = [supervised, divergence]
        for path in crossed:
            met = [peers[number] for number in dict.fromkeys(path) if number != own]
            terms += [task(logits[path]), self._mean_divergence(logits[path], met)]
        more = 2 if self.normaliser == "2K" else 0
        return torch.stack(terms).sum() / (len(crossed) + more)

    def _mean_divergence(self, own: Tensor, peers: Sequence[Tensor]) -> Tensor:
        return torch.stack([self._divergence(own, peer) for peer in peers]).mean()

    def _divergence(self, own: Tensor, peer: Tensor) -> Tensor:
        peer = peer.detach() if self.detached else peer
        if self.direction == "from_peer":
            return divergence(peer, own)
        return divergence(own, peer)


def paths_of(own: int, networks: int, parts: int, method: Method) -> tuple[Path, ...]:
    """The paths that the loss of a network is made of, its own first.

    Args:
        own: Number of the network.
        networks: K.
        parts: Of each network.
        method: Of the loss.
    """
    whole = [(own,) * parts]
    if method == "independent":
        return tuple(whole)
    peers = [(number,) * parts for number in range(networks) if number != own]
    if method == "dml":
        return (*whole, *peers)
    crossed = [path for path in all_paths(networks, parts) if own in path and len(set(path)) > 1]
    return (*whole, *peers, *crossed)


def all_paths(networks: int, parts: int) -> tuple[Path, ...]:
    """Every way through the parts of K networks, K to the power of the parts."""
    paths: tuple[Path, ...] = ((),)
    for _ in range(parts):
        paths = tuple((*path, number) for path in paths for number in range(networks))
    return paths


def divergence(reference: Tensor, other: Tensor) -> Tensor:
    """KL(reference || other) of the predictions of logits N x classes, a mean over N."""
    target, found = functional.log_softmax(reference, 1), functional.log_softmax(other, 1)
    return (target.exp() * (target - found)).sum(1).mean()


def _sorted(own: int, paths: Sequence[Path]) -> tuple[Path, list[Path], list[Path]]:
    """The network's own path, those of its peers, and the crossed ones with a part of it."""
    whole = [path for path in paths if len(set(path)) == 1]
    (mine,) = (path for path in whole if path[0] == own)
    peers = [path for path in whole if path[0] != own]
    crossed = [path for path in paths if len(set(path)) > 1 and own in path]
    return mine, peers, crossed
