"""What segmentation says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import search_spaces
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.kinds.ahead import Announce
from nas.kinds.candidates import Candidates
from nas.kinds.kind import Kind
from nas.kinds.segmentation import phases
from nas.kinds.segmentation.candidates import EncoderCandidates, SegmentationCandidates
from nas.kinds.segmentation.objective import SegmentationLoss, SegmentationObjective
from nas.kinds.segmentation.preparation import (
    PreparedEncoders,
    PreparedSegmentation,
    network_fingerprint,
    prepare,
    prepare_encoders,
)
from nas.kinds.segmentation.scoring import score_at_own_size, score_network
from nas.kinds.segmentation.settings import (
    RetrainingSettings,
    SegmentationEvaluationSettings,
    SegmentationFitSettings,
    TrainingSettings,
)
from nas.kinds.teacher import load_teacher
from nas.models.encoder import Encoder, untrained_encoder, without_hub
from nas.models.segmentation import SegmentationNetwork, without_auxiliary
from nas.models.segmenters import SearchedSegmenterSettings, SegmenterSettings
from nas.tasks import SegmentationTask
from nas.tasks.part import with_part
from nas.training.class_weights import class_weights
from nas.training.freezing import groups
from nas.training.images import ImageBatches, Normaliser, some_images
from nas.training.loop import Batches
from nas.training.phase import Phase, train_phase
from nas.training.precision import loss_scaler
from nas.training.recipe import QUALITY, BatchLoss
from nas.training.schedule import Schedule
from nas.training.scoring import ScoreCard
from nas.training.seeding import derive
from nas.training.teaching import Teaching, check_learning
from nas.training.trainer import Monitor
from nas.training.update import Group, Update, loss_groups
from nas.training.views import ViewsName
from search_spaces.genotype import Genotype
from search_spaces.space import DecoderSpace, EncoderCut, SearchSpace


class SegmentationKind(
    Kind[
        SegmentationTask,
        SegmentationFitSettings,
        SegmentationEvaluationSettings,
        PreparedSegmentation,
    ]
):
    """Decoders on the maps of a pre-trained encoder give a class for every pixel."""

    name = "segmentation"
    outputs = "segmentation"
    default_task = "faces"
    default_space = "small"
    sizes = ("nano", "micro", "small")
    metrics = ("f1", "iou", "accuracy")
    figures = ("mean_iou", "macro_f1")
    model_settings = SegmenterSettings
    searched_settings = SearchedSegmenterSettings
    training_settings = TrainingSettings
    evaluation_settings = SegmentationEvaluationSettings
    retraining_settings = RetrainingSettings
    distillation_losses = (TermSettings(method="channel_wise"),)

    # -- training in full

    def check(
        self,
        network: nn.Module,
        task: SegmentationTask,
        settings: SegmentationFitSettings,
        teaching: Teaching,
    ) -> None:
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        images = some_images(task, device)
        check_learning(network, teaching, images, (len(images), *task.input_size))

    def batches(
        self,
        task: SegmentationTask,
        settings: SegmentationFitSettings,
        teaching: Teaching,
        device: torch.device,
        seed: int,
    ) -> Batches:
        data = task.dataset("train")
        return ImageBatches(
            images=data.images,
            targets=data.targets,
            batch_size=min(settings.batch_size, len(data)),
            normalise=Normaliser(task.mean, task.std),
            augment=task.transform(settings.augmentation),
            device=device,
            seed=seed,
        )

    def loss(
        self,
        network: nn.Module,
        task: SegmentationTask,
        settings: SegmentationFitSettings,
        teaching: Teaching,
        device: torch.device,
    ) -> BatchLoss:
        objective = SegmentationObjective(
            task.ignore_index,
            settings.auxiliary_weight,
            class_weights=class_weights(
                settings.class_weights,
                task.dataset("train").targets,
                task.num_classes,
                task.ignore_index,
                device,
            ),
        )
        return SegmentationLoss(
            _forward(network),
            objective,
            settings.precision,
            teaching.distiller,
            teaching.task_weight,
        )

    def update(
        self,
        network: nn.Module,
        settings: SegmentationFitSettings,
        teaching: Teaching,
        device: torch.device,
    ) -> Update:
        optimiser, decay = settings.optimiser, settings.weight_decay
        parts: list[Group] = []
        for module, rate in _rates(network, settings):
            within = set(module.modules())
            rates = {part: factor for part, factor in teaching.rates.items() if part in within}
            base = Group(module, optimiser, rate, decay)
            parts += groups(module, teaching.frozen_modules, rates, base)
        parts += loss_groups(teaching.distiller, optimiser, settings.learning_rate)
        scaler = loss_scaler(device, settings.precision)
        return Update(parts, settings.clip, settings.polyak, scaler)

    def frozen_statistics(
        self, network: nn.Module, settings: SegmentationFitSettings
    ) -> tuple[nn.Module, ...]:
        if not settings.freeze_batch_norm:
            return ()
        return (network.encoder if isinstance(network, SegmentationNetwork) else network,)

    def schedule(self, settings: SegmentationFitSettings) -> Schedule:
        return Schedule(settings.schedule, settings.epochs, settings.warmup)

    def monitors(self, settings: SegmentationFitSettings) -> tuple[Monitor, ...]:
        return (Monitor(QUALITY),)

    def score(
        self,
        network: nn.Module,
        task: SegmentationTask,
        split: str,
        device: torch.device,
        views: ViewsName = "none",
    ) -> ScoreCard:
        return score_network(network, task, split, device, views)

    def score_at_own_size(
        self,
        network: nn.Module,
        task: SegmentationTask,
        split: str,
        device: torch.device,
        views: ViewsName = "none",
    ) -> ScoreCard | None:
        return score_at_own_size(network, task, split, device, views)

    def fingerprint(self, network: nn.Module) -> str:
        return network_fingerprint(network)

    # -- teachers and students

    def create(self, model: SegmenterSettings, task: SegmentationTask) -> nn.Module:
        return model.create(task.num_classes, task.channels)

    def without_hub(self, model: SegmenterSettings) -> SegmenterSettings:
        return model.model_copy(update={"weights": without_hub(model).weights})

    def check_teacher(
        self, network: nn.Module, card: ScoreCard, task: SegmentationTask, device: torch.device
    ) -> str:
        images = task.dataset("validation").images[:32]
        with torch.inference_mode():
            logits = network(Normaliser(task.mean, task.std)(images, device)).float()
        if not torch.isfinite(logits).all() or float(logits.std()) == 0:
            raise UserError("its logits are constant or not finite; train it again.")
        shares = card.confusion.sum(axis=1) / max(1, card.confusion.sum())
        # Random classes in the labels' proportions reach an F1 of its share for each class, which
        # sums to 1; the most frequent class alone reaches 2s / (1 + s), which is never more.
        chance = 1.0 / int((shares > 0).sum())
        if card.macro["f1"] <= chance:
            raise UserError(
                f"it is no better than chance on the validation images (mean F1 "
                f"{card.macro['f1']:.3f}, guessing reaches {chance:.3f}); train it longer "
                "or switch distillation off."
            )
        shape = "x".join(map(str, logits.shape[1:]))
        return (
            f"mean F1 {card.macro['f1']:.3f}, mean IoU {card.macro['iou']:.3f} on validation "
            f"(chance {chance:.3f}); logits {shape}, mean {float(logits.mean()):.2f}, standard "
            f"deviation {float(logits.std()):.2f}, largest {float(logits.abs().max()):.1f}"
        )

    # -- candidates of a search

    def check_evaluation(
        self,
        task: SegmentationTask,
        settings: SegmentationEvaluationSettings,
        space: SearchSpace,
        device: torch.device,
    ) -> None:
        decoders = _decoders(space)
        strides = decoders.encoder_strides
        for cut in {cut.name: cut for cut in decoders.cuts}.values():
            Encoder(without_hub(settings.encoder.of(cut)), strides, task.channels)
        if not settings.distillation.enabled:
            return
        if settings.teacher.run is not None:
            teacher = load_teacher(settings.teacher.run, task, torch.device("cpu"))
            teacher.require_comparable([settings.distillation.term])
        else:
            self.create(self.without_hub(settings.teacher.model), task)

    def check_rungs(self, settings: SegmentationEvaluationSettings) -> None:
        between = settings.stage0.enabled and settings.stage1.enabled
        within = settings.stage0.enabled and settings.stage0.rungs
        if not (between or within):
            raise UserError(
                "successive halving needs a rung where candidates are compared; give for example "
                "--set evaluation.stage0.rungs=[2], or --set evaluation.stage1.enabled=true for "
                "one between the stages."
            )

    def candidates(
        self,
        space: SearchSpace,
        settings: SegmentationEvaluationSettings,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
        prepared: PreparedSegmentation | PreparedEncoders | None = None,
    ) -> Candidates:
        decoders = _decoders(space)
        channels = input_shape[1]

        def encoder(cut: EncoderCut) -> Encoder:
            if prepared is None:
                return untrained_encoder(settings.encoder.of(cut), cut.strides, channels)
            one = prepared.behind[cut] if isinstance(prepared, PreparedEncoders) else prepared
            return one.encoder

        if decoders.chooses_encoder:
            return EncoderCandidates(decoders, encoder, num_classes, input_shape)
        return SegmentationCandidates(decoders, encoder(decoders.cuts[0]), num_classes, input_shape)

    def candidates_like(
        self,
        network: SearchedSegmenterSettings,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
    ) -> Candidates:
        space = network.build_space()
        cut = space.cut(space.parse(network.genotype))
        encoder = untrained_encoder(network.encoder, cut.strides, input_shape[1])
        return SegmentationCandidates(space, encoder, num_classes, input_shape)

    def prepare(
        self,
        task: SegmentationTask,
        settings: SegmentationEvaluationSettings,
        space: SearchSpace,
        cache: Path,
        device: torch.device,
        seed: int,
        announce: Announce,
    ) -> PreparedSegmentation | PreparedEncoders:
        decoders, task = _decoders(space), with_part(task, settings.train_images)
        if decoders.chooses_encoder:
            return prepare_encoders(task, settings, cache, device, seed, decoders, announce)
        return prepare(task, settings, cache, device, seed, announce, decoders.cuts[0])

    def build(
        self, candidates: Candidates, genotype: Genotype, settings: SegmentationEvaluationSettings
    ) -> nn.Module:
        decoder = candidates.build(genotype)
        return without_auxiliary(decoder) if settings.auxiliary_weight == 0 else decoder

    def phases(
        self,
        candidate: nn.Module,
        prepared: PreparedSegmentation,
        settings: SegmentationEvaluationSettings,
        seed: int,
    ) -> Sequence[Callable[[], Phase]]:
        return phases.phases(candidate, prepared, settings, seed)

    # -- retraining

    def found(
        self, space: SearchSpace, genotype: Genotype, settings: SegmentationEvaluationSettings
    ) -> SearchedSegmenterSettings:
        return SearchedSegmenterSettings(
            space=search_spaces.address(space),
            space_options=dict(space.options),
            genotype=str(genotype),
            encoder=settings.encoder.of(_decoders(space).cut(genotype)),
        )

    def untrained(
        self,
        network: SearchedSegmenterSettings,
        task: SegmentationTask,
        prepared: PreparedSegmentation | None,
    ) -> nn.Module:
        """The decoder with random weights and auxiliary heads, behind the search's encoder."""
        built = network.build_for_training(task.num_classes, task.channels)
        if prepared is not None:
            built.encoder.load_state_dict(prepared.encoder.state_dict())
        return built

    def warm_up(
        self,
        network: nn.Module,
        prepared: PreparedSegmentation,
        settings: SegmentationEvaluationSettings,
        seed: int,
    ) -> None:
        """Stage 0, as in the search: a random decoder would first spoil the encoder."""
        if settings.stage0.enabled:
            decoder = _segmenter(network).to(prepared.device).decoder
            seed = derive(seed, "retrain")
            train_phase(phases.decoder_phase(decoder, prepared, settings, seed))

    def deployed(self, network: nn.Module) -> nn.Module:
        without_auxiliary(_segmenter(network).decoder)
        return network


def _forward(network: nn.Module) -> Callable[[Any], tuple[Tensor, list[Tensor]]]:
    """Gives the logits and those of auxiliary heads, which a network of one's own does not have."""
    if isinstance(network, SegmentationNetwork):
        return network.forward_with_auxiliary
    return lambda images: (network(images), [])


def _rates(network: nn.Module, settings: SegmentationFitSettings) -> list[tuple[nn.Module, float]]:
    """The parts of a network with their learning rates."""
    if isinstance(network, Encoder):
        return [(network, settings.encoder_learning_rate)]
    if not isinstance(network, SegmentationNetwork):
        return [(network, settings.learning_rate)]
    return [
        (network.encoder, settings.encoder_learning_rate),
        (network.decoder, settings.learning_rate),
    ]


def _segmenter(network: nn.Module) -> SegmentationNetwork:
    if not isinstance(network, SegmentationNetwork):
        raise TypeError(f"a SegmentationNetwork is needed, not {type(network).__name__}")
    return network


def _decoders(space: SearchSpace) -> DecoderSpace:
    if not isinstance(space, DecoderSpace):
        raise TypeError(f"the space {space.name!r} builds no decoders")
    return space
