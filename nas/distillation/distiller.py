"""Student and teacher run side by side, and the losses between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.distillation.dry_run import split_output
from nas.distillation.places import Places, survey
from nas.distillation.taps import Taps
from nas.distillation.terms import OUTPUT, Kind, Term, TermSettings, create_term

_LARGEST_LOGIT = 1e4


@dataclass(frozen=True)
class DistillationStep:
    """What came of a batch.

    Attributes:
        logits: The student's, with its graph; None if the run stopped before.
        auxiliary: What the student gave beside its logits, or None.
        losses: The loss of each term without its weight, by the term's name.
        total: Their weighted sum, a scalar in float32.
        teacher_logits: Without a graph; None if no term needs them.
    """

    logits: Tensor | None
    auxiliary: Any
    losses: dict[str, Tensor]
    total: Tensor
    teacher_logits: Tensor | None


class Distiller(nn.Module):
    """The loss of a student towards its teacher.

    Neither network is a part of this module: its parameters, its state and its modes are those of
    the adapters and generators, which learn beside the student and are dropped with this module.
    The teacher is put into evaluation mode, here and in every step, and is otherwise left as it
    is. Teacher and student take the same images.

    Args:
        terms: The losses. A term is named after its method, further ones ``attention 2``.
        student: The network that learns, where this module goes as well.
        teacher: The network that is learnt from.
        input_shape: N x channels x height x width of the images, for a dry run of both.
        num_classes: Number of classes.
        kind: Of the task. Teacher's logits of segmentation are brought to the size of the
            student's.
        until: A place in the student after which its run stops, to train a beginning of it;
            for terms on features only.

    Attributes:
        weights: Weight of each term by name, before its course over the training.
        balances: Terms whose weight is to be measured, see `measured`, with their balance.
        needs_targets: Whether a step needs the true classes.

    Raises:
        ValueError: If a term is not defined for these networks, places do not exist, or the
            networks share modules.
    """

    factors: Tensor

    def __init__(
        self,
        terms: Sequence[TermSettings],
        student: nn.Module,
        teacher: nn.Module,
        input_shape: Sequence[int],
        num_classes: int,
        kind: Kind = "classification",
        until: str | None = None,
    ):
        super().__init__()
        _require_usable(terms, student, teacher, kind)
        # A tuple hides the networks from `parameters`, `state_dict` and `train`.
        self._networks = (student, teacher)
        places = (survey(student, input_shape), survey(teacher, input_shape))
        teacher.eval()
        needs_logits = any(term.compares == "logits" for term in terms)
        _require_logits("student", places[0], num_classes, kind)
        if needs_logits:
            _require_logits("teacher", places[1], num_classes, kind)
        names = _names(terms)
        self.terms = nn.ModuleDict(
            {
                name: create_term(term, *places, kind)
                for name, term in zip(names, terms, strict=True)
            }
        )
        self._settings = dict(zip(names, terms, strict=True))
        factors = [term.factor for term in terms]
        self.balances = {
            name: share
            for name, term in self._settings.items()
            if (share := term.gradient_share) is not None
        }
        if self.balances:
            # Measured weights are a part of the state: a training that goes on keeps them.
            self.register_buffer("factors", torch.tensor(factors, dtype=torch.float64))
        self.weights = dict(zip(names, factors, strict=True))
        self._progress = 0.0
        self.needs_targets = any(term.needs_targets for term in terms)
        self._segmentation = kind == "segmentation"
        self._paths = (
            _tapped(term.student_paths for term in self._all()),
            _tapped(term.teacher_paths for term in self._all()),
        )
        self._until = None if until is None else places[0].find(until)
        if self._until is not None:
            _require_before(places[0], self._paths[0], self._until, needs_logits)
        self._end = None if needs_logits else _last(places[0], self._paths[0])
        self._teacher_until = None if needs_logits else _last(places[1], self._paths[1])
        self._teacher_is_checked = False
        device = next((p.device for p in student.parameters()), torch.device("cpu"))
        self.to(device)

    def step(
        self,
        images: Tensor,
        targets: Tensor | None = None,
        student_forward: Callable[[Tensor], Any] | None = None,
    ) -> DistillationStep:
        """Runs both networks on a batch.

        The student runs in the mode that it is in, with gradients, and anew in every call.

        Args:
            images: N x channels x height x width, as both networks take them.
            targets: The true classes, N, or N x H x W of any size for segmentation; for terms
                that need them. Those that are `IGNORED_TARGET` are passed over.
            student_forward: Another way through the student than calling it, for example a
                method of it. As the student's own, it gives logits, or a pair of logits and
                auxiliary outputs.

        Raises:
            ValueError: If the targets are missing or no classes, the shapes do not fit, or the
                teacher's outputs in the first step are no numbers to learn from.
        """
        student, _ = self._networks
        teacher_outputs = self._run_teacher(images)
        with Taps(student, self._paths[0], self._until) as taps:
            output = taps.run(images, student_forward)
        outputs = dict(taps.outputs)
        logits, auxiliary = (None, None) if output is None else split_output(output)
        if logits is not None:
            outputs[OUTPUT] = logits
        if logits is not None and OUTPUT in teacher_outputs:
            teacher_outputs[OUTPUT] = self._aligned(logits, teacher_outputs[OUTPUT])
        losses, total = self.compare(outputs, teacher_outputs, targets)
        return DistillationStep(logits, auxiliary, losses, total, teacher_outputs.get(OUTPUT))

    @property
    def student_paths(self) -> tuple[str, ...]:
        """Paths of the student's modules whose output is compared."""
        return self._paths[0]

    @property
    def teacher_paths(self) -> tuple[str, ...]:
        """The same of the teacher."""
        return self._paths[1]

    def compare(
        self,
        student: Mapping[str, Tensor],
        teacher: Mapping[str, Tensor],
        targets: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses between outputs that are known, where `step` runs both networks.

        Args:
            student: Outputs of the modules at `student_paths`, and logits at `OUTPUT`.
            teacher: The same of the teacher, logits of the student's size.
            targets: As for `step`.

        Returns:
            The loss of each term without its weight, and their weighted sum.
        """
        classes = self._classes(targets, student.get(OUTPUT))
        losses = {
            name: cast(Tensor, term(student, teacher, classes)) for name, term in self.terms.items()
        }
        total = torch.stack(
            [
                losses[name] * (weight * self._settings[name].course(self._progress))
                for name, weight in self.weights.items()
            ]
        ).sum()
        return losses, total

    def stop_early(self) -> None:
        """Ends the student's run where its last features are compared.

        What lies behind learns nothing from terms on features alone.
        """
        self._until = self._end

    def measured(self, weights: Mapping[str, float]) -> None:
        """Takes the measured weights of terms; until then they have the published ones."""
        self.weights |= weights
        self.factors.copy_(torch.tensor(list(self.weights.values()), dtype=torch.float64))

    def advance(self, progress: float) -> None:
        """Tells how much of the training has passed, from 0 to 1, for weights with a course."""
        self._progress = progress

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *more: Any) -> None:
        if self.balances:
            # Older trainings began with the published weights, and go on with them.
            state.setdefault(f"{prefix}factors", self.factors)
        super()._load_from_state_dict(state, prefix, *more)
        if self.balances:
            self.weights = dict(zip(self.weights, self.factors.tolist(), strict=True))

    def extra_repr(self) -> str:
        return "" if self._until is None else f"until={self._until}"

    def _all(self) -> list[Term]:
        return [cast(Term, term) for term in self.terms.values()]

    def _run_teacher(self, images: Tensor) -> dict[str, Tensor]:
        teacher = self._networks[1]
        teacher.eval()
        with torch.no_grad(), Taps(teacher, self._paths[1], self._teacher_until) as taps:
            output = taps.run(images)
        outputs = dict(taps.outputs)
        if self._teacher_until is None:
            outputs[OUTPUT] = split_output(output)[0]
        if not self._teacher_is_checked:
            _require_in_range(outputs)
            self._teacher_is_checked = True
        return outputs

    def _aligned(self, student: Tensor, teacher: Tensor) -> Tensor:
        if not self._segmentation or student.shape[2:] == teacher.shape[2:]:
            return teacher
        size = student.shape[2:]
        return functional.interpolate(teacher, size=size, mode="bilinear", align_corners=False)

    def _classes(self, targets: Tensor | None, logits: Tensor | None) -> Tensor | None:
        """The true classes in the shape that the losses take; None where no loss needs them."""
        if not self.needs_targets or logits is None:
            return None
        needing = ", ".join(name for name, term in self.terms.items() if term.needs_targets)
        if targets is None:
            raise ValueError(f"{needing} needs the true classes, and the step was given none")
        if targets.is_floating_point():
            raise ValueError(
                f"{needing} needs the true class of every sample, not shares of the classes; "
                "switch mixup and cutmix off, or choose another loss"
            )
        if not self._segmentation or targets.shape[1:] == logits.shape[2:]:
            return targets
        size = logits.shape[2:]
        resized = functional.interpolate(targets[:, None].float(), size=size, mode="nearest-exact")
        return resized[:, 0].long()


def _require_usable(
    terms: Sequence[TermSettings], student: nn.Module, teacher: nn.Module, kind: str
) -> None:
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be {' or '.join(map(repr, get_args(Kind)))}, not {kind!r}")
    if not terms:
        raise ValueError("distillation needs at least one term")
    if not set(student.modules()).isdisjoint(teacher.modules()):
        raise ValueError("student and teacher share modules; make the teacher from a copy")


def _require_logits(network: str, places: Places, num_classes: int, kind: Kind) -> None:
    dimensions = 4 if kind == "segmentation" else 2
    if len(places.logits) != dimensions:
        raise ValueError(
            f"the {network} gives outputs of shape {places.logits}, and {kind} has logits of "
            f"{dimensions} dimensions"
        )
    if places.logits[1] != num_classes:
        raise ValueError(
            f"the {network} has {places.logits[1]} classes and the task {num_classes}; take one "
            "that is made for these classes"
        )


def _require_before(places: Places, paths: Collection[str], until: str, needs_logits: bool) -> None:
    if needs_logits:
        raise ValueError(
            f"the student cannot stop at {until!r}: a term compares logits; leave `until` out"
        )
    order = list(places.shapes)
    places.shape(until)
    for path in paths:
        if order.index(path) > order.index(until):
            raise ValueError(
                f"the student cannot stop at {until!r}: a term compares {path!r}, which comes later"
            )


def _last(places: Places, paths: Collection[str]) -> str | None:
    """Where a network may stop that is only wanted for its modules; None for its end."""
    # A stop comes after the first call of a module, and a tap keeps the last.
    if not places.repeated.isdisjoint(paths):
        return None
    order = list(places.shapes)
    return max(paths, key=order.index)


def _require_in_range(outputs: dict[str, Tensor]) -> None:
    for path, output in outputs.items():
        if not bool(output.isfinite().all()):
            where = f"output at {path!r} is" if path else "logits are"
            raise ValueError(f"the teacher's {where} not finite; check its weights and images")
    if OUTPUT not in outputs:
        return
    largest = float(outputs[OUTPUT].abs().max())
    if largest > _LARGEST_LOGIT:
        raise ValueError(
            f"the teacher's logits reach {largest:.3g}, and above {_LARGEST_LOGIT:.0f} they teach "
            "nothing; check that it is trained and gets normalised images"
        )


def _names(terms: Sequence[TermSettings]) -> list[str]:
    methods = [term.info.name for term in terms]
    numbers = [methods[: index + 1].count(method) for index, method in enumerate(methods)]
    return [
        method if number == 1 else f"{method} {number}"
        for method, number in zip(methods, numbers, strict=True)
    ]


def _tapped(paths: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for several in paths for path in several if path != OUTPUT))
