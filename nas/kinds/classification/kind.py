"""What classification says of itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import search_spaces
from nas.distillation.terms import TermSettings
from nas.errors import UserError, sentence
from nas.kinds.ahead import Announce
from nas.kinds.candidates import Candidates
from nas.kinds.classification.candidates import ClassifierCandidates
from nas.kinds.classification.checks import check
from nas.kinds.classification.objective import ClassificationLoss
from nas.kinds.classification.preparation import (
    PreparedClassification,
    make_distiller,
    prepare,
)
from nas.kinds.classification.scoring import score_classifier
from nas.kinds.classification.settings import (
    ClassifierEvaluationSettings,
    ClassifierFitSettings,
    ClassifierRetrainingSettings,
)
from nas.kinds.kind import Kind
from nas.kinds.teacher import checkpoint_model, load_teacher
from nas.models.classifiers import IMAGENET, NONE, ClassifierSettings, create_classifier
from nas.models.searched_classifier import SearchedClassifierSettings
from nas.tasks import ClassificationTask
from nas.tasks.classification.mixing import Mixing
from nas.tasks.part import with_part
from nas.training.class_weights import class_weights
from nas.training.fit import training_of
from nas.training.freezing import groups
from nas.training.images import ImageBatches, Images, Normaliser
from nas.training.loop import Batches
from nas.training.phase import Phase
from nas.training.precision import loss_scaler
from nas.training.recipe import BatchLoss
from nas.training.schedule import Schedule
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive
from nas.training.teaching import Teaching
from nas.training.trainer import Monitor
from nas.training.update import Group, Update, loss_groups
from nas.training.views import ViewsName
from search_spaces.genotype import Genotype
from search_spaces.space import ClassifierSpace, SearchSpace

TRAINING = "training"
_NO_CLASS = -100


class ClassificationKind(
    Kind[
        ClassificationTask,
        ClassifierFitSettings,
        ClassifierEvaluationSettings,
        PreparedClassification,
    ]
):
    """Whole networks give one class for an image."""

    name = "classification"
    default_task = "digits"
    default_space = "nasbench201"
    metrics: ClassVar[tuple[str, ...]] = ("f1", "accuracy")
    figures: ClassVar[tuple[str, ...]] = ("accuracy", "mean_class_accuracy")
    views = ("flip", "ten_crop")
    model_settings = ClassifierSettings
    searched_settings = SearchedClassifierSettings
    training_settings = ClassifierFitSettings
    evaluation_settings = ClassifierEvaluationSettings
    retraining_settings: ClassVar[type[ClassifierFitSettings]] = ClassifierRetrainingSettings
    distillation_losses = (TermSettings(method="dist"),)

    # -- training in full

    def check(
        self,
        network: nn.Module,
        task: ClassificationTask,
        settings: ClassifierFitSettings,
        teaching: Teaching,
    ) -> None:
        check(network, task, settings, teaching)

    def batches(
        self,
        task: ClassificationTask,
        settings: ClassifierFitSettings,
        teaching: Teaching,
        device: torch.device,
        seed: int,
    ) -> Batches:
        data, augment = task.dataset("train"), task.augmentation(settings.augmentation)

        def of_images(
            images: Any, labels: Tensor, generator: torch.Generator
        ) -> tuple[Tensor, Tensor]:
            return augment(images, generator), labels

        photos = data.photos if settings.augmentation.crop == "random" else None
        # Without photos, such crops have been refused.
        images: Images = data.images if photos is None else photos
        mixing = None
        if settings.mixing != "none":
            mixing = Mixing(settings.mixing, settings.mixing_alpha, task.num_classes)
        return ImageBatches(
            images=images,
            targets=data.targets,
            batch_size=min(settings.batch_size, len(data)),
            normalise=Normaliser(task.mean, task.std),
            augment=of_images,
            device=device,
            seed=seed,
            mixing=mixing,
            teacher=teaching.known.logits if teaching.known else None,
        )

    def loss(
        self,
        network: nn.Module,
        task: ClassificationTask,
        settings: ClassifierFitSettings,
        teaching: Teaching,
        device: torch.device,
    ) -> BatchLoss:
        labels = task.dataset("train").targets
        return ClassificationLoss(
            forward=network,
            distiller=teaching.distiller,
            task_weight=teaching.task_weight,
            label_smoothing=settings.label_smoothing,
            class_weights=class_weights(
                settings.class_weights, labels, task.num_classes, _NO_CLASS, device
            ),
            r_drop=settings.r_drop,
            precision=settings.precision,
            known=teaching.known,
        )

    def update(
        self,
        network: nn.Module,
        settings: ClassifierFitSettings,
        teaching: Teaching,
        device: torch.device,
    ) -> Update:
        base = Group(
            network,
            settings.optimiser,
            settings.learning_rate,
            settings.weight_decay,
            settings.momentum,
        )
        parts = groups(network, teaching.frozen_modules, teaching.rates, base)
        parts += loss_groups(teaching.distiller, settings.optimiser, settings.learning_rate)
        scaler = loss_scaler(device, settings.precision)
        return Update(parts, settings.clip, settings.polyak, scaler)

    def frozen_statistics(
        self, network: nn.Module, settings: ClassifierFitSettings
    ) -> tuple[nn.Module, ...]:
        if not settings.freeze_batch_norm:
            return ()
        return tuple(module for module in network.modules() if isinstance(module, _BatchNorm))

    def schedule(self, settings: ClassifierFitSettings) -> Schedule:
        return Schedule(
            settings.schedule,
            settings.epochs,
            settings.warmup,
            settings.milestones,
            settings.gamma,
            settings.cycle_epochs,
        )

    def monitors(self, settings: ClassifierFitSettings) -> tuple[Monitor, ...]:
        return tuple(Monitor(name, name == "loss") for name in settings.monitors)

    def score(
        self,
        network: nn.Module,
        task: ClassificationTask,
        split: str,
        device: torch.device,
        views: ViewsName = "none",
    ) -> ScoreCard:
        return score_classifier(network, task, split, device, views)

    # -- teachers and students

    def create(self, model: ClassifierSettings, task: ClassificationTask) -> nn.Module:
        return create_classifier(model, task.num_classes, task.input_size, task.channels)

    def without_hub(self, model: ClassifierSettings) -> ClassifierSettings:
        return model.model_copy(update={"weights": NONE}) if model.weights == IMAGENET else model

    def check_teacher(
        self, network: nn.Module, card: ScoreCard, task: ClassificationTask, device: torch.device
    ) -> str:
        shares = card.confusion.sum(axis=1) / card.confusion.sum()
        accuracy, chance = card.figures["accuracy"], float(shares.max())
        if accuracy <= chance:
            raise UserError(
                f"its accuracy of {accuracy:.3f} on the validation images is no better than always "
                f"naming one class ({chance:.3f}); train it longer."
            )
        return f"accuracy {accuracy:.3f}, mean F1 {card.macro['f1']:.3f} on validation"

    # -- candidates of a search

    def check_evaluation(
        self,
        task: ClassificationTask,
        settings: ClassifierEvaluationSettings,
        space: SearchSpace,
        device: torch.device,
    ) -> None:
        task.augmentation(settings.training.augmentation)
        if not settings.distillation.enabled:
            return
        if settings.teacher.run is not None:
            run, model = settings.teacher.run, checkpoint_model(settings.teacher)
            loaded = load_teacher(run, task, device, model)
            loaded.require_comparable([settings.distillation.term])
            teacher = loaded.network
        else:
            teacher = self.create(self.without_hub(settings.teacher.model), task).to(device)
        classifiers = _classifiers(space)
        candidate = classifiers.build(
            classifiers.sample(random.Random(0)),
            num_classes=task.num_classes,
            in_channels=self.image_shape(task, settings)[1],
        )
        candidate = self.fed(candidate, task, settings)
        try:
            make_distiller(task, settings.distillation.term, candidate.to(device), teacher)
        except ValueError as error:
            raise UserError(f"evaluation.distillation: {sentence(str(error))}") from error

    def fed(
        self, network: nn.Module, task: ClassificationTask, settings: ClassifierEvaluationSettings
    ) -> nn.Module:
        """A candidate as it takes the images of a task."""
        return network

    def check_rungs(self, settings: ClassifierEvaluationSettings) -> None:
        if not settings.training.rungs:
            raise UserError(
                "successive halving needs a rung where candidates are compared; give for example "
                "--set evaluation.training.rungs=[1]."
            )

    def candidates(
        self,
        space: SearchSpace,
        settings: ClassifierEvaluationSettings,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
        prepared: PreparedClassification | None = None,
    ) -> Candidates:
        return ClassifierCandidates(_classifiers(space), num_classes, input_shape)

    def candidates_like(
        self,
        network: SearchedClassifierSettings,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
    ) -> Candidates:
        return ClassifierCandidates(network.build_space(), num_classes, input_shape)

    def prepare(
        self,
        task: ClassificationTask,
        settings: ClassifierEvaluationSettings,
        space: SearchSpace,
        cache: Path,
        device: torch.device,
        seed: int,
        announce: Announce,
    ) -> PreparedClassification:
        task = with_part(task, settings.train_images)
        return prepare(task, settings, cache, device, seed, announce)

    def build(
        self, candidates: Candidates, genotype: Genotype, settings: ClassifierEvaluationSettings
    ) -> nn.Module:
        return candidates.build(genotype)

    def phases(
        self,
        candidate: nn.Module,
        prepared: PreparedClassification,
        settings: ClassifierEvaluationSettings,
        seed: int,
    ) -> Sequence[Callable[[], Phase]]:
        return [lambda: self._phase(candidate, prepared, settings, derive(seed, "training"))]

    def _phase(
        self,
        candidate: nn.Module,
        prepared: PreparedClassification,
        settings: ClassifierEvaluationSettings,
        seed: int,
    ) -> Phase:
        task, device, own = prepared.task, prepared.device, settings.training
        candidate = self.fed(candidate, task, settings)
        distiller = None
        if prepared.teacher is not None and prepared.known is None:
            teacher, term = prepared.teacher.network, settings.distillation.term
            distiller = make_distiller(task, term, candidate, teacher).to(device)
        teaching = Teaching(distiller=distiller, known=prepared.known)
        training = training_of(self, candidate, task, own.fit, device, seed, teaching, self.quality)
        training.begin()
        return Phase(
            name=TRAINING,
            loop=training.loop,
            epochs=own.epochs,
            score=lambda: self.score(candidate.eval(), task, "validation", device),
            end=f"epoch {own.epochs}",
            rungs=own.rungs,
            scale=training.scale,
            seed=training.seed,
        )

    # -- retraining

    def found(
        self, space: SearchSpace, genotype: Genotype, settings: ClassifierEvaluationSettings
    ) -> SearchedClassifierSettings:
        return SearchedClassifierSettings(
            space=search_spaces.address(space),
            space_options=dict(space.options),
            genotype=str(genotype),
        )

    def untrained(self, network: Any, task: ClassificationTask, prepared: Any) -> nn.Module:
        """The network with random weights."""
        built: nn.Module = network.build(task.num_classes, task.input_size, task.channels)
        return built


def _classifiers(space: SearchSpace) -> ClassifierSpace:
    if not isinstance(space, ClassifierSpace):
        raise TypeError(f"the space {space.name!r} builds no classifiers")
    return space
