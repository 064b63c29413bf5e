"""All paths across networks behind one file, with exits that keep to a budget."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import torch
from torch import Tensor, nn

from nas import allowed
from nas.errors import UserError
from nas.models.weights import save_described
from nas.mutual_learning.anytime_description import AnytimeDescription, Exit, Times
from nas.mutual_learning.exit_times import QUANTILE, leads_to, machine, stretch, times_of
from nas.mutual_learning.exits import ExitHead
from nas.mutual_learning.losses import Path
from nas.mutual_learning.students import Forward, Students

ROUNDS = 200
"""Measurements of each part."""
_EXCEEDING = (1 - QUANTILE) / 2
"""Share of calls beyond their budget that leaves the caution as it is."""
_STEP = 0.2
"""Change of the logarithm of the caution by such a call; nearly."""


@dataclass(frozen=True)
class Answer:
    """What is said of an image.

    Attributes:
        label: The most probable class.
        confidence: Its calibrated probability.
        probabilities: Of each class.
        exit: Where the answer comes from: a path such as ``resnet18/resnet34``, or its beginning.
        milliseconds: From the call to the answer.
    """

    label: str
    confidence: float
    probabilities: Tensor
    exit: str
    milliseconds: float


class AnytimeModules(nn.Module):
    """Networks and the classifiers at their cuts.

    Args:
        students: The networks.
        heads: Of each exit at a cut.
    """

    def __init__(self, students: Students, heads: Mapping[Path, ExitHead]):
        super().__init__()
        self.students = students
        self.heads = nn.ModuleDict({_key(path): head for path, head in heads.items()})

    def head(self, path: Path) -> nn.Module | None:
        """The classifier of an exit; None where a path ends, whose last part gives logits."""
        key = _key(path)
        return self.heads[key] if key in self.heads else None  # noqa: SIM401

    def until(self, path: Path) -> nn.Module:
        """All that leads to an exit, as a network of its own."""
        head, network = self.head(path), self.students.network(path)
        return network if head is None else nn.Sequential(network, head)


class Anytime:
    """Answers within a budget, by the parts and exits that promise most.

    An answer begins at the exit of the highest accuracy on the validation split that the budget
    allows. After each part it is chosen anew, with the time that is left; where nothing better can
    be reached in time, the exit at hand answers. Whatever runs is not interrupted, so a budget is
    kept as often as the measured times hold. Where the machine has become slower since, calls that
    take longer than their budget make the next ones choose as if everything took longer, and calls
    that keep it take that back little by little: in the long run, one call of a hundred at most
    exceeds a budget that the fastest exit keeps. It runs on the CPU, with the threads of torch.

    Args:
        modules: Networks and classifiers, in evaluation mode.
        description: Of them.

    Attributes:
        description: How the networks are built and fed.
    """

    def __init__(self, modules: AnytimeModules, description: AnytimeDescription):
        self._modules = modules.eval()
        self._students = modules.students
        self._exits = {exit.path: exit for exit in description.exits}
        self.description = description
        self._caution = 1.0
        self._plan_with(description.times)
        for path in self._exits:
            # Made at first use otherwise, within the budget of an answer.
            self._students.part(path)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.description.networks.classes

    def name(self, path: Path) -> str:
        """What an exit is called."""
        return self._students.name(path)

    @property
    def times(self) -> Times:
        """Those that answers are planned with."""
        return self._times

    def milliseconds(self, exit: Exit, after: Path = (), gated: bool = False) -> float:
        """How long an answer takes from the end of the beginning of a path.

        Args:
            exit: Where the answer comes from.
            after: What has run already.
            gated: Whether the exits that are passed are asked too.
        """
        times = self._times.asking if gated else self._times.answers
        return times[stretch(self._students, after, exit.path)]

    def plan(
        self,
        budget: float | None = None,
        macs: float | None = None,
        after: Path = (),
        gated: bool = False,
    ) -> Exit | None:
        """The best exit that can be reached; None if none can.

        Args:
            budget: Milliseconds that are left.
            macs: Limit of the multiply-accumulates of the whole answer.
            after: What has run already; its own exit is not among those that are chosen from.
            gated: Whether the exits that are passed are asked too.
        """
        for exit, milliseconds in self._choices[after, gated]:
            in_time = budget is None or milliseconds <= budget
            if in_time and (macs is None or exit.macs <= macs):
                return exit
        return None

    @torch.inference_mode()
    def __call__(
        self,
        image: Tensor,
        budget: float | None = None,
        *,
        macs: float | None = None,
        confidence: float | None = None,
    ) -> Answer:
        """Answers for one image.

        Args:
            image: Normalised, 1 x channels x height x width.
            budget: Milliseconds; that of the file unless given here or with `macs`.
            macs: Limit of multiply-accumulates, for a budget of resources instead of time.
            confidence: Answer at the first exit on the way that is at least this sure, from 0 to 1.

        Raises:
            UserError: If no exit is within the budget, the image has another shape, or the
                confidence is none.
        """
        start = time.perf_counter()
        shape = self.description.networks.input_shape
        if tuple(image.shape) != shape:
            raise UserError(f"an image has the shape {shape} here, not {tuple(image.shape)}.")
        if confidence is not None and not 0 <= confidence <= 1:
            raise UserError(f"a confidence is from 0 to 1, not {confidence:g}.")
        if budget is None and macs is None:
            budget = self.description.budget
        gated = confidence is not None
        if self.plan(budget, macs, gated=gated) is None:
            raise UserError(self._out_of_reach(budget, macs))
        answer = self._answer_within(image, budget, macs, confidence, start)
        if budget is not None:
            self._learn(exceeded=answer.milliseconds > budget)
        return answer

    def _answer_within(
        self,
        image: Tensor,
        budget: float | None,
        macs: float | None,
        confidence: float | None,
        start: float,
    ) -> Answer:
        gated = confidence is not None
        chosen = self.plan(self._cautious(budget), macs, gated=gated)
        if chosen is None:
            # Within the budget if the measured times hold, which they may not.
            within = [exit for exit in self._exits.values() if macs is None or exit.macs <= macs]
            chosen = min(within, key=lambda exit: self.milliseconds(exit, gated=gated))
        forward = Forward(self._students, image)
        path: Path = ()
        while True:
            path = chosen.path[: len(path) + 1]
            maps = forward(path)
            here = self._exits[path]
            answer = None
            if confidence is not None or path == chosen.path:
                answer = self._answer(here, maps, start)
            if answer is not None and confidence is not None and answer.confidence >= confidence:
                return answer
            left = None if budget is None else budget - _since(start)
            further = self.plan(self._cautious(left), macs, path, gated)
            if further is None or further.accuracy <= here.accuracy:
                return answer if answer is not None else self._answer(here, maps, start)
            chosen = further

    def _cautious(self, budget: float | None) -> float | None:
        return None if budget is None else budget / self._caution

    def _learn(self, exceeded: bool) -> None:
        """Follows the share of calls that exceed their budget, as online quantiles are followed."""
        change = math.exp(_STEP * (exceeded - _EXCEEDING))
        self._caution = max(1.0, self._caution * change)

    def measure(self, rounds: int = ROUNDS) -> Times:
        """Measures the times of this machine and plans with them from now on.

        Args:
            rounds: Measurements of each part.
        """
        shape = self.description.networks.input_shape
        image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        parts: dict[Path, list[float]] = {path: [] for path in self._exits}
        exits: dict[Path, list[float]] = {path: [] for path in self._exits}
        with torch.inference_mode():
            for number in range(rounds + 1):
                forward = Forward(self._students, image)
                for path in sorted(self._exits, key=len):
                    start = time.perf_counter()
                    maps = forward(path)
                    took = _since(start)
                    head, start = self._modules.head(path), time.perf_counter()
                    self._probabilities(maps if head is None else head(maps), 1.0)
                    # The first round warms everything up.
                    if number:
                        parts[path].append(took)
                        exits[path].append(_since(start))
        self._caution = 1.0
        self._plan_with(times_of(self._students, machine(), parts, exits))
        return self._times

    def save(self, path: FilePath, budget: float | None = None) -> None:
        """Writes networks, classifiers and times into one safetensors file.

        Args:
            path: The file.
            budget: Milliseconds for an image, unless a call says otherwise.

        Raises:
            UserError: If no exit is within the budget.
        """
        if budget is not None and self.plan(budget) is None:
            raise UserError(self._out_of_reach(budget, None))
        allowed.allow(self.description.code())
        described = self.description.model_copy(update={"times": self.times, "budget": budget})
        save_described(self._modules, described.model_dump_json(), path)

    def _plan_with(self, times: Times) -> None:
        self._times = times
        best_first = sorted(self._exits.values(), key=lambda exit: (-exit.accuracy, exit.macs))
        # Known beforehand, as choosing takes of the time that it gives out.
        self._choices = {
            (after, gated): [
                (exit, self.milliseconds(exit, after, gated))
                for exit in best_first
                if leads_to(after, exit.path)
            ]
            for after in ((), *self._exits)
            for gated in (False, True)
        }

    def _answer(self, exit: Exit, maps: Tensor, start: float) -> Answer:
        head = self._modules.head(exit.path)
        logits = maps if head is None else head(maps)
        probabilities, label, confidence = self._probabilities(logits, exit.temperature)
        name = self.name(exit.path)
        return Answer(self.classes[label], confidence, probabilities, name, _since(start))

    def _probabilities(self, logits: Tensor, temperature: float) -> tuple[Tensor, int, float]:
        probabilities = (logits[0] / temperature).softmax(dim=0)
        confidence, label = probabilities.max(dim=0)
        return probabilities, int(label), float(confidence)

    def _out_of_reach(self, budget: float | None, macs: float | None) -> str:
        limits, exits = [], self.description.exits
        if budget is not None:
            fastest = min(self.milliseconds(exit) for exit in exits)
            limits.append(f"{budget:g} ms (the fastest takes {fastest:.3g} ms)")
        if macs is not None:
            fewest = min(exit.macs for exit in exits)
            limits.append(f"{macs:,.0f} MACs (the smallest takes {fewest:,.0f})")
        return f"no exit is within {' and '.join(limits)}."


def _key(path: Sequence[int]) -> str:
    return "-".join(map(str, path))


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
