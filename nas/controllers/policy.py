"""Distributions over the candidates of a search space, with parameters that can be learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from nas.controllers.learner import Draw
from search_spaces.decision import Decision

PolicyName = Literal["lstm", "independent"]


class Policy(nn.Module, ABC):
    """A distribution over complete sets of choices. It lives on the CPU: it is tiny."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Draw:
        """Draws one candidate with its log-probability; needs no gradient."""

    @abstractmethod
    def log_probs(self, choices: Tensor) -> Tensor:
        """Log-probabilities of every option along given candidates, in one forward pass.

        Args:
            choices: Indices of the options taken, int64 of shape (candidates, decisions).

        Returns:
            Shape (candidates, decisions, options of the largest decision): conditional on the
            choices before; options that a decision does not have are at the lowest float.
        """

    def score(self, choices: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of given candidates, with gradients.

        Args:
            choices: Indices of the options taken, int64 of shape (candidates, decisions).

        Returns:
            Two tensors of shape (candidates,): the log-probability of all choices together, and
            the entropies of the decisions given the choices before, summed, in nats.
        """
        log_probs = self.log_probs(choices)
        taken = log_probs.gather(-1, choices.unsqueeze(-1)).squeeze(-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return taken.sum(-1), entropy.sum(-1)


class LSTMPolicy(Policy):
    """An LSTM that makes the decisions in order, each given those before.

    The controller of FastNAS (https://arxiv.org/abs/1810.10804), after ENAS
    (https://arxiv.org/abs/1802.03268): the embedding of the previous choice goes in, a linear
    head gives the logits of the next. Decisions of one kind, which is those with the same
    options, share head and embedding.

    Args:
        decisions: The decisions of the space, in order.
        seed: Seed of the initial parameters; the global random state is left alone.
        hidden: Units per layer, and size of the embedding.
        layers: Number of LSTM layers.
        bound: Parameters start uniform in [-bound, bound].
    """

    def __init__(
        self,
        decisions: Sequence[Decision],
        seed: int,
        *,
        hidden: int = 100,
        layers: int = 2,
        bound: float = 0.1,
    ) -> None:
        super().__init__()
        if not decisions:
            raise ValueError("a policy needs at least one decision")
        kinds = dict.fromkeys(decision.options for decision in decisions)
        ends = np.cumsum([len(options) for options in kinds]).tolist()
        first = {options: end - len(options) for options, end in zip(kinds, ends, strict=True)}
        self._first = [first[decision.options] for decision in decisions]
        self._sizes = [len(decision.options) for decision in decisions]
        slots = torch.tensor(self._first).unsqueeze(1) + torch.arange(max(self._sizes))
        absent = _absent(self._sizes)
        self.register_buffer("_absent", absent)
        self.register_buffer("_slots", slots.masked_fill(absent, 0))
        with torch.random.fork_rng(devices=[]):
            self._start = nn.Parameter(torch.empty(hidden))
            self._embedding = nn.Embedding(ends[-1], hidden)
            self._lstm = nn.LSTM(hidden, hidden, layers, batch_first=True)
            # The heads of all kinds are rows of one matrix: one product serves them all.
            self._head = nn.Linear(hidden, ends[-1])
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    @torch.no_grad()
    def sample(self, rng: np.random.Generator) -> Draw:
        choices: list[int] = []
        total = 0.0
        state: tuple[Tensor, Tensor] | None = None
        previous: Tensor = self._start
        for first, size in zip(self._first, self._sizes, strict=True):
            output, state = self._lstm(previous.view(1, 1, -1), state)
            rows = slice(first, first + size)
            logits = output[0, 0] @ self._head.weight[rows].T + self._head.bias[rows]
            log_probs = logits.log_softmax(-1)
            choice = _pick(log_probs, rng)
            choices.append(choice)
            total += float(log_probs[choice])
            previous = self._embedding.weight[first + choice]
        return Draw(tuple(choices), total)

    def log_probs(self, choices: Tensor) -> Tensor:
        start = self._start.expand(len(choices), 1, -1)
        rows = choices[:, :-1] + choices.new_tensor(self._first[:-1])
        outputs, _ = self._lstm(torch.cat([start, self._embedding(rows)], dim=1))
        slots = self.get_buffer("_slots").expand(len(choices), -1, -1)
        logits = self._head(outputs).gather(-1, slots)
        return _masked_log_softmax(logits, self.get_buffer("_absent"))


class IndependentPolicy(Policy):
    """A table of logits: each decision on its own, uniform at first.

    Args:
        decisions: The decisions of the space, in order.
    """

    def __init__(self, decisions: Sequence[Decision]) -> None:
        super().__init__()
        if not decisions:
            raise ValueError("a policy needs at least one decision")
        self._sizes = [len(decision.options) for decision in decisions]
        self.register_buffer("_absent", _absent(self._sizes))
        self._logits = nn.Parameter(torch.zeros(len(decisions), max(self._sizes)))

    @torch.no_grad()
    def sample(self, rng: np.random.Generator) -> Draw:
        log_probs = _masked_log_softmax(self._logits, self.get_buffer("_absent"))
        choices = tuple(
            _pick(row[:size], rng) for row, size in zip(log_probs, self._sizes, strict=True)
        )
        taken = log_probs[torch.arange(len(choices)), torch.tensor(choices)]
        return Draw(choices, float(taken.sum()))

    def log_probs(self, choices: Tensor) -> Tensor:
        log_probs = _masked_log_softmax(self._logits, self.get_buffer("_absent"))
        return log_probs.expand(len(choices), -1, -1)


def create_policy(name: PolicyName, decisions: Sequence[Decision], seed: int) -> Policy:
    """The policy of that name, with its initial parameters."""
    if name == "lstm":
        return LSTMPolicy(decisions, seed)
    return IndependentPolicy(decisions)


def _absent(sizes: Sequence[int]) -> Tensor:
    return torch.arange(max(sizes)) >= torch.tensor(sizes).unsqueeze(1)


def _masked_log_softmax(logits: Tensor, absent: Tensor) -> Tensor:
    # Not minus infinity: its product with a probability of 0 is NaN in the entropy.
    lowest = torch.finfo(logits.dtype).min
    return logits.masked_fill(absent, lowest).log_softmax(-1).masked_fill(absent, lowest)


def _pick(log_probs: Tensor, rng: np.random.Generator) -> int:
    cumulative = log_probs.double().exp().cumsum(-1).numpy()
    index = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
    return int(min(index, len(cumulative) - 1))
