"""Scores several trained networks as one, by the sum of their logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.errors import UserError
from nas.experiments.config import read_experiment
from nas.experiments.evaluation import Figures, OtherData, RunEvaluation, loaded_task, seeds_of
from nas.kinds.network_file import FILE, describe, load_described, require_fitting
from nas.kinds.registry import kind_of
from nas.kinds.teacher import seed_folders
from nas.tasks import ClassificationTask, Task
from nas.training.device import resolve_device
from nas.training.images import Normaliser
from nas.training.scoring import predict

ENSEMBLE = "ensemble"
Weights = Literal["equal", "learned"]
WEIGHTS = ("equal", "learned")
_STEPS = 100


class LogitSum(nn.Module):
    """Adds the logits of networks that take the same images.

    Args:
        networks: Each gives logits of the same shape.
        weights: A factor for each.
    """

    def __init__(self, networks: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.weights = tuple(weights)

    def forward(self, images: Tensor) -> Tensor:
        """The sum for N x channels x H x W."""
        parts = zip(self.networks, self.weights, strict=True)
        return torch.stack([network(images) * weight for network, weight in parts]).sum(dim=0)


@dataclass(frozen=True)
class EnsembleEvaluation:
    """Figures of an ensemble and of its members.

    Attributes:
        evaluation: A row for each run, and one for the ensemble of each seed.
        weights: Factor of each run's logits in the ensemble, one for each seed.
    """

    evaluation: RunEvaluation
    weights: dict[str, list[float]]


def evaluate_ensemble(
    runs: Sequence[Path],
    split: str,
    *,
    weights: Weights = "equal",
    other: OtherData | None = None,
    data: str | None = None,
    intervals: bool = False,
    device: str = "auto",
    on_network: Callable[[str], None] = lambda name: None,
) -> EnsembleEvaluation:
    """Scores the networks of several runs together, seed by seed.

    Args:
        runs: Folders of ``nas train`` or ``nas distill``, two or more. Networks of one seed make an
            ensemble; seeds that a run lacks are left out.
        split: train, validation or test.
        weights: ``equal`` adds logits as they are, so that nothing is learned; ``learned`` finds
            positive weights that add up to 1, with the least cross-entropy on the validation split.
        other: Data to score on in place of those of the first run's training.
        data: Folder of the images of that training, if they have moved.
        intervals: Whether to find intervals by the bootstrap.
        device: auto, cpu or cuda:N.
        on_network: Told which seed comes next.

    Raises:
        UserError: If there are fewer than two runs, no seed is in all of them, a network was made
            for other data, or weights cannot be learned for such a task.
    """
    names = _names(runs)
    config = read_experiment(runs[0])
    task = loaded_task(config, data, other)
    task.dataset(split)
    home = task if other is None else loaded_task(config, data)
    if weights == "learned" and not isinstance(home, ClassificationTask):
        raise UserError(f"weights learned: a {home.kind} task has none; leave them equal.")
    where, kind = resolve_device(device), kind_of(task)
    found, factors = Figures(kind, split), {name: list[float]() for name in names}
    by_seed = _common_seeds(runs)
    for seed, folders in by_seed.items():
        on_network(f"seed-{seed}")
        members = [_member(folder, task).to(where) for folder in folders]
        shares = [1.0] * len(members)
        if weights == "learned":
            assert isinstance(home, ClassificationTask)  # refused above
            shares = learned_weights(members, home, where)
        for name, share in zip(names, shares, strict=True):
            factors[name].append(share)
        scored = {**dict(zip(names, members, strict=True)), ENSEMBLE: LogitSum(members, shares)}
        for name, network in scored.items():
            card = kind.score(network, task, split, where)
            found.add(name, card, task if intervals else None)
    evaluation = RunEvaluation(split, tuple(by_seed), found.figures, found.intervals)
    return EnsembleEvaluation(evaluation, factors)


def learned_weights(
    networks: Sequence[nn.Module], task: ClassificationTask, device: torch.device
) -> list[float]:
    """Positive weights of logits, which add up to 1, with the least cross-entropy on validation.

    They start equal. Weights that are free in size would grow without end where all images are
    classified well, and their size decides no class.

    Args:
        networks: In evaluation mode.
        task: Its validation split is read.
        device: Where the networks are.
    """
    data, normalise = task.dataset("validation"), Normaliser(task.mean, task.std)

    def logits_of(network: nn.Module) -> Tensor:
        batches = predict(lambda images: network(normalise(images, device)), data.images)
        return torch.cat([batch.double().cpu() for batch in batches])

    logits = torch.stack([logits_of(network) for network in networks]).clone()
    free = torch.zeros(len(networks), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        mixed = torch.tensordot(free.softmax(dim=0), logits, dims=1)
        value = functional.cross_entropy(mixed, data.targets)
        value.backward()
        return value

    optimiser.step(loss)
    found: list[float] = free.detach().softmax(dim=0).tolist()
    return found


def _names(runs: Sequence[Path]) -> list[str]:
    if len(runs) < 2:
        raise UserError("an ensemble needs two runs or more; name another one.")
    names = [run.resolve().name for run in runs]
    if ENSEMBLE in names or len(set(names)) < len(names):
        names = [str(run) for run in runs]
    if len(set(names)) < len(names):
        raise UserError(f"an ensemble takes each run once, and these are {', '.join(names)}.")
    return names


def _common_seeds(runs: Sequence[Path]) -> Mapping[int, list[Path]]:
    """The folders of each seed that all runs have."""
    by_run = []
    for run in runs:
        folders = seed_folders(run)
        by_run.append(dict(zip(seeds_of(folders), folders, strict=True)))
    common = [seed for seed in by_run[0] if all(seed in found for found in by_run)]
    if not common:
        told = "; ".join(
            f"{run} has {sorted(found)}" for run, found in zip(runs, by_run, strict=True)
        )
        raise UserError(f"no seed is in all of the runs: {told}.")
    return {seed: [found[seed] for found in by_run] for seed in common}


def _member(folder: Path, task: Task) -> nn.Module:
    description = describe(folder)
    require_fitting(description, task, folder)
    return load_described(folder / FILE, description)
