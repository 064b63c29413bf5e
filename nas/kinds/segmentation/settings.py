"""How segmentation networks are trained, and how a candidate is evaluated.

Every part of an evaluation can be switched off by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.distillation import create_logit_loss, find
from nas.distillation.base import DistillationLoss
from nas.distillation.terms import LOGITS, TermSettings
from nas.kinds.rungs import Rungs, check_rungs
from nas.models.encoder import IMAGENET, NONE, TASK, EncoderSettings
from nas.models.segmenters import BackboneSettings, SegmenterSettings
from nas.settings import Settings
from nas.tasks.part import PartSize
from nas.training.class_weights import ClassWeights
from nas.training.precision import Precision
from nas.training.stage_settings import StageTraining
from nas.training.update import OptimiserName
from search_spaces.space import EncoderCut


class SegmentationFitSettings(StageTraining):
    """How a whole network is trained.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images of an update. Small data sets want many updates (docs/results.md).
        optimiser: adam, adamw or sgd, for all parts.
        learning_rate: Of the decoder.
        encoder_learning_rate: Of the encoder.
        weight_decay: Of all parts.
        schedule: constant, cosine or poly.
        warmup: Share of all updates with a rising learning rate.
        clip: Largest gradient norm of each part.
        polyak: Decay of the running average of the weights; null trains without.
        auxiliary_weight: Weight of each auxiliary head's loss.
        class_weights: equal, or balanced; see `balanced_weights`.
        augmentation: none, light or full.
        precision: float32, bfloat16 or float16 for the forward pass.
        freeze_batch_norm: Keep the encoder's batch-norm statistics.
        patience: Stop after this many epochs without improvement; null never stops early.
    """

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(8, ge=2)
    optimiser: OptimiserName = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    encoder_learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "cosine", "poly"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    clip: float | None = Field(3.0, gt=0)
    polyak: float | None = Field(0.98, gt=0, lt=1)
    auxiliary_weight: float = Field(0.15, ge=0)
    class_weights: ClassWeights = "balanced"
    augmentation: Literal["none", "light", "full"] = "light"
    precision: Precision = "float32"
    freeze_batch_norm: bool = False
    patience: int | None = Field(None, ge=1)


class DecoderStageSettings(Settings):
    """Stage 0: the decoder alone, on the encoder's maps of the training images.

    Attributes:
        enabled: Whether the stage runs.
        epochs: Passes over the cached maps; two and three rank candidates as well as five
            (docs/results.md).
        rungs: Epochs after which a candidate is scored on its way, for successive halving and to
            see how well an early score tells the last one.
        batch_size: Images of an update.
        learning_rate: Of Adam.
        clip: Largest norm of the gradient.
        polyak: Decay of the running average; null trains without.
        loss_size: Where the loss is taken: ``logits`` (masks brought to the size of the logits,
            faster) or ``input`` (logits brought to the size of the masks).
        precision: float32, bfloat16 or float16 for the forward pass.
        maps: Number format in which the encoder's maps are kept, float32 or bfloat16, which takes
            half the disk and the memory and changed scores by a sixth of what another seed did
            (docs/results.md).
    """

    later = ("maps",)

    enabled: bool = True
    epochs: int = Field(3, ge=1)
    rungs: Rungs = ()
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(3e-3, gt=0)
    clip: float | None = Field(3.0, gt=0)
    polyak: float | None = Field(0.9, gt=0, lt=1)
    loss_size: Literal["logits", "input"] = "logits"
    precision: Precision = "float32"
    maps: Literal["float32", "bfloat16"] = "float32"

    @field_validator("maps", mode="before")
    @classmethod
    def _were_null(cls, value: Any) -> Any:
        # So float32 was written once.
        return "float32" if value is None else value

    @model_validator(mode="after")
    def _rungs_rise(self) -> Self:
        check_rungs(self.rungs, self.epochs)
        return self


class NetworkStageSettings(Settings):
    """Stage 1: encoder and decoder, end to end, augmented, the teacher on the fly.

    Attributes:
        enabled: Whether the stage runs.
        epochs: Passes over the training images.
        batch_size: Images of an update.
        encoder_learning_rate: Of SGD with momentum 0.9.
        decoder_learning_rate: Of Adam.
        clip: Largest norm of each part's gradient.
        polyak: Decay of the running average; null trains without.
        augmentation: none, light or full.
        freeze_batch_norm: Keep the encoder's batch-norm statistics.
        precision: float32, bfloat16 or float16 for the forward pass.
    """

    enabled: bool = False
    epochs: int = Field(1, ge=1)
    batch_size: int = Field(32, ge=2)
    encoder_learning_rate: float = Field(1e-3, gt=0)
    decoder_learning_rate: float = Field(3e-3, gt=0)
    clip: float | None = Field(3.0, gt=0)
    polyak: float | None = Field(0.99, gt=0, lt=1)
    augmentation: Literal["none", "light", "full"] = "light"
    freeze_batch_norm: bool = False
    precision: Precision = "float32"


class SegmentationDistillationSettings(Settings):
    """The loss towards the teacher.

    Attributes:
        enabled: Whether there is a teacher at all.
        method: A loss; `nas.distillation.describe` lists them. The default gave the best quality
            after a short training (docs/results.md). Stage 0 knows the teacher by its
            logits alone, so beside it the loss has to compare logits.
        weight: Of the loss; null is the published one on logits, and on features one that is
            measured for every candidate.
        options: Of the loss, for example ``temperature``.
    """

    enabled: bool = True
    method: str = "channel_wise"
    weight: float | None = Field(None, gt=0)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _loss_exists(self) -> Self:
        TermSettings(method=self.method, options=self.options)
        return self

    @property
    def term(self) -> TermSettings:
        """The loss, on the logits if it compares them."""
        compares = find(self.method).info.compares
        both = "logits" in compares and len(compares) > 1
        return TermSettings(
            method=self.method,
            weight=self.weight,
            options=self.options,
            # A loss on logits alone takes no place.
            student=LOGITS if both else None,
        )

    @property
    def factor(self) -> float:
        """The weight, given or published."""
        return self.term.factor

    def create(self, num_classes: int) -> DistillationLoss:
        """The loss for logits of a number of classes.

        Raises:
            ValueError: If it compares features.
        """
        return create_logit_loss(self.method, num_classes, **self.options)


class PretrainingSettings(SegmentationFitSettings):
    """Training of a network whose encoder starts from random weights.

    Attributes:
        epochs: Passes over the training split.
        encoder_learning_rate: As high as that of the decoder: there is nothing to preserve.
    """

    epochs: int = Field(15, ge=1)
    encoder_learning_rate: float = Field(3e-3, gt=0)


class SearchEncoderSettings(Settings):
    """The backbones of candidates, and with which weights; see `EncoderSettings`.

    Attributes:
        name: The backbone of all candidates. Null leaves it to a search space that chooses among
            several, and is mobilenetv2_100 in others.
        weights: ``task``, ``imagenet``, ``none``, or a path: a file, or for several backbones a
            folder with a file NAME.safetensors for each.
        options: Further arguments of ``timm.create_model``.
        fine_tuning_epochs: Passes over the training split, before the search, in which weights
            that come from elsewhere are fine-tuned on the task, behind a plain decoder; 0 leaves
            them as they are. Stage 0 freezes them, so it cannot see what a backbone would learn.
    """

    later = ("fine_tuning_epochs",)

    name: str | None = None
    weights: str = TASK
    options: dict[str, Any] = {}
    fine_tuning_epochs: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _tunes_what_is_given(self) -> Self:
        if self.fine_tuning_epochs and self.weights in (TASK, NONE):
            raise ValueError(
                f"fine_tuning_epochs is for weights that are given, and weights is {self.weights}; "
                "name others, or leave it out"
            )
        return self

    def of(self, cut: EncoderCut) -> EncoderSettings:
        """The backbone of the candidates with a cut."""
        name = cut.name or self.name or EncoderSettings.model_fields["name"].default
        weights, place = self.weights, Path(self.weights).expanduser()
        if weights not in (TASK, IMAGENET, NONE) and place.is_dir():
            weights = str(place / f"{name}.safetensors")
        return EncoderSettings(name=name, weights=weights, options=self.options)


class SegmentationTeacherSettings(Settings):
    """The large network that candidates learn from.

    Attributes:
        run: Folder of a finished ``nas train``; null trains the teacher before the search.
        encoder: Its backbone, larger than the candidates' encoder.
        strides: Strides of the maps that its decoder uses.
        training: How it is trained.
    """

    run: str | None = None
    encoder: BackboneSettings = BackboneSettings()
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    training: PretrainingSettings = PretrainingSettings()

    @property
    def model(self) -> SegmenterSettings:
        """The network."""
        return SegmenterSettings(**self.encoder.model_dump(), strides=self.strides)


class SegmentationEvaluationSettings(Settings):
    """Everything about evaluating candidates.

    Attributes:
        encoder: The backbones of candidates.
        pretraining: How the encoder is trained on the task when its weights are ``task``, and,
            but for the epochs and its learning rate, when they are fine-tuned.
        stage0: Decoder on cached maps.
        stage1: End to end.
        distillation: Loss towards the teacher, in both stages.
        teacher: The teacher.
        auxiliary_weight: Weight of each auxiliary head's loss; 0 switches the heads off.
        class_weights: equal, or balanced; see `nas.training.class_weights.balanced_weights`.
        train_images: How many training images teacher and candidates learn from, a stratified
            part of them, or ``all``; ``auto`` is 4000 where all take more than 1 GiB.
    """

    encoder: SearchEncoderSettings = SearchEncoderSettings()
    pretraining: PretrainingSettings = PretrainingSettings()
    stage0: DecoderStageSettings = DecoderStageSettings()
    stage1: NetworkStageSettings = NetworkStageSettings()
    distillation: SegmentationDistillationSettings = SegmentationDistillationSettings()
    teacher: SegmentationTeacherSettings = SegmentationTeacherSettings()
    auxiliary_weight: float = Field(0.15, ge=0)
    class_weights: ClassWeights = "balanced"
    train_images: PartSize = "auto"

    @model_validator(mode="after")
    def _something_trains(self) -> SegmentationEvaluationSettings:
        if not (self.stage0.enabled or self.stage1.enabled):
            raise ValueError("stage0 and stage1 are both off, so no candidate would be trained")
        return self

    @property
    def encoder_training(self) -> SegmentationFitSettings | None:
        """How each encoder is trained on the task before the search; None if it is not."""
        if self.encoder.weights == TASK:
            return self.pretraining
        epochs = self.encoder.fine_tuning_epochs
        if not epochs:
            return None
        # What an encoder has learned elsewhere is to be kept.
        slow = SegmentationFitSettings().encoder_learning_rate
        changes = {"epochs": epochs, "encoder_learning_rate": slow}
        return self.pretraining.model_copy(update=changes)

    @model_validator(mode="after")
    def _stage0_knows_logits(self) -> SegmentationEvaluationSettings:
        if self.stage0.enabled:
            self.distillation.create(num_classes=2)
        return self


class RetrainingSettings(SegmentationFitSettings):
    """Training of ``nas retrain``; its encoder starts from the weights of the search."""

    epochs: int = Field(40, ge=1)


class TrainingSettings(PretrainingSettings):
    """Training of ``nas train`` and ``nas distill``."""
