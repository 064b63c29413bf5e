"""Evaluates classification candidates: build, train, score, count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nas.distillation.distiller import Distiller
from nas.evaluation.classification.preparation import PreparedClassifiers, make_distiller
from nas.evaluation.classification.settings import CandidateTrainingSettings
from nas.evaluation.clock import Clock
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluation import Decide, Evaluation, Rung, go_on
from nas.evaluation.failures import reasons
from nas.evaluation.latency.candidates import ClassifierCandidates
from nas.training.classification.fitting import training_of
from nas.training.classification.scoring import ClassifierCard, score_classifier
from nas.training.seeding import derive, seeded
from nas.training.teaching import Teaching
from nas.training.trainer import Training
from search_spaces.genotype import Genotype
from search_spaces.space import ClassifierSpace


class ClassifierEvaluator:
    """Evaluates candidates of a space on a classification task.

    Args:
        space: Builds the networks.
        prepared: The data and the teacher.
        settings: Of a candidate's training.
        device: Where candidates are trained.
        costs: Tells what candidates cost; they are counted unless it is given.

    Attributes:
        costs: Tells what candidates cost without training them.
    """

    def __init__(
        self,
        space: ClassifierSpace,
        prepared: PreparedClassifiers,
        settings: CandidateTrainingSettings,
        device: torch.device,
        costs: CostMeter | None = None,
    ) -> None:
        task = prepared.task
        self._prepared = prepared
        self._settings = settings
        self._device = device
        self.costs = costs or CostMeter(
            ClassifierCandidates(space, task.num_classes, task.input_size)
        )

    def evaluate(self, genotype: Genotype, seed: int, decide: Decide = go_on) -> Evaluation:
        """Trains a candidate from random weights and scores it on the validation split.

        Raises:
            EvaluationError: If it cannot be built, runs out of memory or diverges.
        """
        with reasons(genotype):
            return self._evaluate(genotype, seed, decide)

    def _evaluate(self, genotype: Genotype, seed: int, decide: Decide) -> Evaluation:
        clock = Clock()
        with seeded(seed, "candidate"):
            # Costs come before training: what cannot be counted need not be trained.
            known = self.costs.known(genotype)
            clock.lap("costs")
            with seeded(seed, "weights"):
                network = self.costs.candidates.build(genotype).to(self._device)
            training = self._training(network, seed)
            clock.lap("build")
            curve: list[float] = []
            for epoch in range(self._settings.epochs):
                curve.append(_train(training, epoch))
                clock.lap("training")
                if epoch + 1 not in self._settings.rungs:
                    continue
                with _averaged(training):
                    card = self._score(network)
                clock.lap("score")
                if not decide(Rung(_name(epoch), card.scores, known.costs)):
                    break
            # A candidate that was stopped has just been scored.
            stopped = len(curve) < self._settings.epochs
            if not stopped:
                training.loop.update.load_average()
                card = self._score(network)
                clock.lap("score")
        return Evaluation(
            scores=card.scores,
            macro={
                "f1": card.macro_f1,
                "accuracy": card.mean_class_accuracy,
                "top1": card.accuracy,
            },
            groups={},
            costs=known.costs,
            curves={"training": curve},
            seconds=clock.laps | {"total": sum(clock.laps.values())},
            details=known.details,
            rung=_name(len(curve) - 1),
            stopped=stopped,
        )

    def _training(self, network: nn.Module, seed: int) -> Training:
        prepared = self._prepared
        return training_of(
            network,
            prepared.task,
            self._settings.fit,
            self._device,
            derive(seed, "training"),
            Teaching(distiller=self._distiller(network)),
            prepared.known,
        )

    def _distiller(self, network: nn.Module) -> Distiller | None:
        prepared = self._prepared
        if prepared.teacher is None or prepared.term is None or prepared.known is not None:
            return None
        teacher = prepared.teacher.network
        return make_distiller(prepared.task, prepared.term, network, teacher).to(self._device)

    def _score(self, network: nn.Module) -> ClassifierCard:
        return score_classifier(network.eval(), self._prepared.task, "validation", self._device)


def _train(training: Training, epoch: int) -> float:
    steps = len(training.loop.batches)
    with seeded(training.seed, "training", epoch):
        return training.loop.epoch(epoch, lambda step: training.schedule.factor(step, steps))


@contextmanager
def _averaged(training: Training) -> Iterator[None]:
    training.loop.update.swap_average()
    yield
    training.loop.update.swap_average()


def _name(epoch: int) -> str:
    return f"epoch {epoch + 1}"
