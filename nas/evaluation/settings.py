"""How a candidate is evaluated. Every part can be switched off by itself."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.distillation import create_logit_loss, find
from nas.distillation.base import DistillationLoss
from nas.distillation.terms import LOGITS, TermSettings
from nas.evaluation.rungs import Rungs, check_rungs
from nas.models.encoder import IMAGENET, NONE, EncoderSettings
from nas.settings import Settings
from nas.training.fitting import ClassWeights, FitSettings
from nas.training.precision import Precision


class DecoderStageSettings(Settings):
    """Stage 0: the decoder alone, on the encoder's maps of the training images.

    Attributes:
        enabled: Whether the stage runs.
        epochs: Passes over the cached maps.
        rungs: Epochs after which a candidate is scored on its way, for successive halving and to
            see how well an early score tells the last one.
        batch_size: Images of an update.
        learning_rate: Of Adam.
        clip: Largest norm of the gradient.
        polyak: Decay of the running average; null trains without.
        loss_size: Where the loss is taken: ``logits`` (masks brought to the size of the logits,
            faster) or ``input`` (logits brought to the size of the masks).
        precision: float32, bfloat16 or float16 for the forward pass.
    """

    enabled: bool = True
    epochs: int = Field(5, ge=1)
    rungs: Rungs = ()
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(3e-3, gt=0)
    clip: float | None = Field(3.0, gt=0)
    polyak: float | None = Field(0.9, gt=0, lt=1)
    loss_size: Literal["logits", "input"] = "logits"
    precision: Precision = "float32"

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


class DistillationSettings(Settings):
    """The loss towards the teacher.

    Attributes:
        enabled: Whether there is a teacher at all.
        method: A loss; `nas.distillation.describe` lists them. The default gave the best quality
            after a short training (docs/results.md). Stage 0 knows the teacher by its
            logits alone, so beside it the loss has to compare logits.
        weight: Of the loss; null is the published one, which the loss declares.
        options: Of the loss, for example ``temperature``.
    """

    enabled: bool = True
    method: str = "channel_wise"
    weight: float | None = Field(None, gt=0)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _loss_exists(self) -> DistillationSettings:
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
        """The loss, for logits of so many classes.

        Raises:
            ValueError: If it compares features.
        """
        return create_logit_loss(self.method, num_classes, **self.options)


class PretrainingSettings(FitSettings):
    """Training of a network whose encoder starts from random weights.

    Attributes:
        epochs: Passes over the training split.
        encoder_learning_rate: As high as that of the decoder: there is nothing to preserve.
    """

    epochs: int = Field(15, ge=1)
    encoder_learning_rate: float = Field(3e-3, gt=0)


class TeacherEncoderSettings(EncoderSettings):
    """The backbone of a teacher.

    Attributes:
        name: A timm model that has ``features_only``, larger than the candidates' encoder.
        weights: ``none``, ``imagenet`` or a file.
    """

    name: str = "resnet18"
    weights: str = NONE


class TeacherSettings(Settings):
    """The large network that candidates learn from.

    Attributes:
        run: Folder of a finished ``nas train``; null trains the teacher before the search.
        encoder: Its backbone; ``weights`` is imagenet, none or a file.
        strides: Strides of the maps that its decoder uses.
        training: How it is trained.
    """

    run: str | None = None
    encoder: TeacherEncoderSettings = TeacherEncoderSettings()
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    training: PretrainingSettings = PretrainingSettings()

    @field_validator("encoder")
    @classmethod
    def _weights_exist(cls, encoder: TeacherEncoderSettings) -> TeacherEncoderSettings:
        if encoder.weights == "task":
            raise ValueError(
                f"a teacher is itself trained on the task; its weights start from "
                f"{NONE!r}, {IMAGENET!r} or a file"
            )
        return encoder


class EvaluationSettings(Settings):
    """Everything about evaluating candidates.

    Attributes:
        encoder: The backbone that all candidates share.
        pretraining: How the encoder is trained on the task when its weights are ``task``.
        stage0: Decoder on cached maps.
        stage1: End to end.
        distillation: Loss towards the teacher, in both stages.
        teacher: The teacher.
        auxiliary_weight: Weight of each auxiliary head's loss; 0 switches the heads off.
        class_weights: equal, or balanced; see `nas.training.objective.balanced_weights`.
    """

    encoder: EncoderSettings = EncoderSettings()
    pretraining: PretrainingSettings = PretrainingSettings()
    stage0: DecoderStageSettings = DecoderStageSettings()
    stage1: NetworkStageSettings = NetworkStageSettings()
    distillation: DistillationSettings = DistillationSettings()
    teacher: TeacherSettings = TeacherSettings()
    auxiliary_weight: float = Field(0.15, ge=0)
    class_weights: ClassWeights = "balanced"

    @model_validator(mode="after")
    def _something_trains(self) -> EvaluationSettings:
        if not (self.stage0.enabled or self.stage1.enabled):
            raise ValueError("stage0 and stage1 are both off, so no candidate would be trained")
        return self

    @model_validator(mode="after")
    def _stage0_knows_logits(self) -> EvaluationSettings:
        if self.stage0.enabled:
            self.distillation.create(num_classes=2)
        return self
