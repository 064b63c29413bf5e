"""Time per forward and backward of our distillation losses against those of torchdistill.

Both sides get the same tensors and take turns in one process; a ratio above 1 means that ours is
faster. The values stand beside the times, as a fast loss that computes something else would win
nothing. Where the definitions differ by a known factor, theirs is multiplied by it; notes below the
table say why. Losses that torchdistill lacks are named at the end.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas.distillation import create_loss, names

try:
    from torchdistill.losses import mid_level
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "torchdistill":
        raise
    raise SystemExit(
        "torchdistill is not installed: pip install --no-deps torchdistill (its losses need "
        "nothing else)."
    ) from error

Loss = Callable[[Tensor, Tensor], Tensor]
"""The scalar loss of a student's and a teacher's tensor."""

TEMPERATURE = 4.0
SLICE = 0.05
"""Seconds that a side computes before the other one has its turn."""

NOTES = {
    "a": "Without labels their KD leaves T² out; its value times T².",
    "b": "Their KD divides by the samples, ours by the pixels: its value times T² / pixels.",
    "c": "Their SP always scales rows by L1; our default is the L2 of the paper.",
}


@dataclass(frozen=True)
class Case:
    """One loss on one pair of tensors.

    Attributes:
        method: Our name of the loss, with the option that matters.
        ours: Ours.
        theirs: That of torchdistill.
        shapes: Of the student's and of the teacher's tensor.
        factor: Of their value, where the definitions differ.
        note: Key of `NOTES`, or nothing.
    """

    method: str
    ours: Loss
    theirs: Loss
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    factor: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Result:
    """Milliseconds of CPU per forward and backward, and what came out.

    Attributes:
        ours: Median of ours.
        theirs: Median of theirs.
        ratio: Median over the turns of theirs / ours: noise that lasts meets both.
        values: Of both losses.
        gradients: Largest difference of the gradients, relative to the largest gradient.
    """

    ours: float
    theirs: float
    ratio: float
    values: tuple[float, float]
    gradients: float


def main() -> None:
    """Runs the comparison and prints it."""
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    print(f"{options.threads} thread(s), median of {options.repeats} turns, ms of CPU\n")
    print(heading())
    for case in cases():
        if options.only in case.method:
            print(line(case, measure(case, options.repeats, options.seed)), flush=True)
    print()
    for key, note in NOTES.items():
        print(f"({key}) {note}")
    compared = {case.method.split()[0] for case in cases()}
    print(f"not in torchdistill: {', '.join(sorted(set(names()) - compared))}")


def keep_freed_memory() -> None:
    """Lets the C library reuse freed blocks of this size.

    It gives larger ones than it has freed before back to the system, and fetching their pages
    again takes longer than many a loss, of one side or the other as it happens.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--repeats", type=int, default=15, help="turns of each side (default 15)")
    add("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    add("--only", default="", help="losses whose name contains this")
    add("--seed", type=int, default=0)
    return parser.parse_args()


def cases() -> Iterator[Case]:
    """All comparisons: logits of classification and of segmentation, maps, and vectors."""
    for classes in (100, 1000):
        yield from logit_cases((64, classes))
    yield from segmentation_cases(samples=8, classes=19, side=64)
    yield from map_cases(samples=64, channels=(64, 256), side=14)
    vectors = (64, 512)
    yield Case("rkd", create_loss("rkd"), their_rkd(), (vectors, vectors))


def logit_cases(shape: tuple[int, ...]) -> Iterator[Case]:
    """Losses on the logits of classification."""
    both = (shape, shape)
    soft_target = create_loss("soft_target", temperature=TEMPERATURE)
    yield Case("soft_target", soft_target, their_kd(), both, TEMPERATURE**2, "a")
    yield Case("logit_mse", create_loss("logit_mse"), their_mse(), both)
    yield Case("dist", create_loss("dist"), their_dist(), both)


def segmentation_cases(samples: int, classes: int, side: int) -> Iterator[Case]:
    """Losses on the logits of segmentation."""
    both = ((samples, classes, side, side),) * 2
    soft_target = create_loss("soft_target", temperature=TEMPERATURE)
    factor = TEMPERATURE**2 / side**2
    yield Case("soft_target", soft_target, their_kd(), both, factor, "b")
    yield Case("logit_mse", create_loss("logit_mse"), their_mse(), both)
    # Theirs would compare the samples of every pixel: it gets the pixels as samples.
    rows = ((samples * side**2, classes),) * 2
    yield Case("dist", create_loss("dist"), their_dist(), rows)


def map_cases(samples: int, channels: tuple[int, int], side: int) -> Iterator[Case]:
    """Losses on features: of unequal channels where the loss allows it."""
    student, teacher = ((samples, width, side, side) for width in channels)
    for form in ("code", "paper"):
        yield Case(
            f"attention {form}",
            create_loss("attention", form=form),
            their_attention(form),
            (student, teacher),
        )
    for norm in ("l1", "l2"):
        yield Case(
            f"similarity {norm}",
            create_loss("similarity", norm=norm),
            their_similarity(),
            (student, teacher),
            note="" if norm == "l1" else "c",
        )
    for method in ("hint", "feature_mse"):
        yield Case(method, create_loss(method), their_mse(), (teacher, teacher))


def their_kd() -> Loss:
    """Their soft targets, without labels."""
    loss = mid_level.KDLoss("net", "output", "net", "output", TEMPERATURE, alpha=0)
    return as_loss(loss)


def their_dist() -> Loss:
    """Their correlation of the predictions."""
    return as_loss(mid_level.DISTLoss("net", "output", "net", "output"))


def their_mse() -> Loss:
    """Their squared difference, which they take for hints as well."""
    place = {"is_from_teacher": False, "module_path": "net", "io": "output"}
    target = place | {"is_from_teacher": True}
    return as_loss(mid_level.SimpleLossWrapper(torch.nn.MSELoss(), input=place, target=target))


def their_attention(form: str) -> Loss:
    """Their attention transfer."""
    place = {"io": "output", "path": "net"}
    return as_loss(mid_level.ATLoss({"pair": {"teacher": place, "student": place}}, form))


def their_similarity() -> Loss:
    """Their similarity-preserving distillation."""
    return as_loss(mid_level.SPKDLoss("net", "net", "batchmean"))


def their_rkd() -> Loss:
    """Their relational distillation, with the weights of ours."""
    return as_loss(mid_level.RKDLoss("net", "net", 25.0, 50.0, "mean"))


def as_loss(module: Any) -> Loss:
    """A loss of torchdistill, which reads its tensors from what was recorded of two networks."""

    def loss(student: Tensor, teacher: Tensor) -> Tensor:
        recorded = {"net": {"output": student}}, {"net": {"output": teacher}}
        value: Tensor = module(*recorded, None)
        return value

    return loss


def measure(case: Case, repeats: int, seed: int) -> Result:
    """Times both sides in turns."""
    student, teacher = tensors(case, seed)
    (ours, our_gradient), (theirs, their_gradient) = (
        step(loss, student, teacher) for loss in (case.ours, case.theirs)
    )
    difference = (our_gradient - case.factor * their_gradient).abs().max()
    rounds = rounds_of(case, student, teacher)
    times: list[tuple[float, float]] = []
    for turn in range(repeats):
        order = (case.ours, case.theirs) if turn % 2 == 0 else (case.theirs, case.ours)
        taken = {loss: timed(loss, student, teacher, rounds) for loss in order}
        times.append((taken[case.ours], taken[case.theirs]))
    return Result(
        ours=1000 * statistics.median(ours for ours, _ in times),
        theirs=1000 * statistics.median(theirs for _, theirs in times),
        ratio=statistics.median(theirs / ours for ours, theirs in times),
        values=(ours.item(), case.factor * theirs.item()),
        gradients=float(difference / our_gradient.abs().max()),
    )


def tensors(case: Case, seed: int) -> tuple[Tensor, Tensor]:
    """What a student and a better teacher could give: features of a ReLU, or logits."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(shape, generator=generator) for shape in case.shapes)
    if case.method.split()[0] not in ("soft_target", "logit_mse", "dist"):
        student, teacher = student.relu(), teacher.relu()
    return student.requires_grad_(), 2 * teacher


def step(loss: Loss, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """A forward and a backward pass."""
    value = loss(student, teacher)
    (gradient,) = torch.autograd.grad(value, student)
    return value.detach(), gradient


def rounds_of(case: Case, student: Tensor, teacher: Tensor) -> int:
    """How many passes of the slower side fill a slice."""
    slowest = max(timed(loss, student, teacher, 3) for loss in (case.ours, case.theirs))
    return max(3, round(SLICE / slowest))


def timed(loss: Loss, student: Tensor, teacher: Tensor, rounds: int) -> float:
    """Seconds of CPU per pass."""
    start = time.process_time()
    for _ in range(rounds):
        step(loss, student, teacher)
    return (time.process_time() - start) / rounds


def heading() -> str:
    """Titles of the columns."""
    return (
        f"{'loss':<16} {'student':<14} {'teacher':<14} {'ours':>8} {'theirs':>8} {'ratio':>6}"
        f"  {'value':>11} {'theirs':>11} {'gradient':>9}"
    )


def line(case: Case, result: Result) -> str:
    """A row of the table; the last number is the relative difference of the gradients."""
    student, teacher = ("x".join(map(str, shape)) for shape in case.shapes)
    ours, theirs = result.values
    return (
        f"{case.method:<16} {student:<14} {teacher:<14} {result.ours:8.3f} {result.theirs:8.3f} "
        f"{result.ratio:6.2f}  {ours:11.5g} {theirs:11.5g} {result.gradients:9.1e}"
        f"{f' ({case.note})' if case.note else ''}"
    )


if __name__ == "__main__":
    main()
