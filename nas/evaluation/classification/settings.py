"""How a classification candidate is evaluated."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.distillation.terms import TermSettings
from nas.evaluation.rungs import Rungs, check_rungs
from nas.models.classifiers import ClassifierSettings
from nas.models.encoder import NONE
from nas.settings import Settings
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.training.classification.settings import ClassifierFitSettings
from nas.training.fitting import ClassWeights
from nas.training.precision import Precision
from nas.training.update import OptimiserName


class CandidateTrainingSettings(Settings):
    """The training of a candidate, from random weights.

    Attributes:
        epochs: Passes over the training split.
        rungs: Epochs after which a candidate is scored on its way, for successive halving and to
            see how well an early score tells the last one.
        batch_size: Images of an update.
        optimiser: adamw, adam or sgd.
        learning_rate: Its base.
        weight_decay: Of all parameters.
        schedule: cosine, constant or poly.
        warmup: Share of the training with a rising rate.
        clip: Largest norm of the gradient; null does not clip.
        polyak: Decay of the running average of the weights, which are what is scored; null trains
            without.
        augmentation: none, light, full, or the settings of one. With none, the teacher's logits
            are computed once for all candidates.
        label_smoothing: Share of a label that goes to all classes.
        class_weights: equal, or balanced.
        precision: float32, bfloat16 or float16 for the forward pass.
    """

    epochs: int = Field(4, ge=1)
    rungs: Rungs = ()
    batch_size: int = Field(64, ge=2)
    optimiser: OptimiserName = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["cosine", "constant", "poly"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    clip: float | None = Field(5.0, gt=0)
    polyak: float | None = Field(None, gt=0, lt=1)
    augmentation: AugmentationSettings = AugmentationSettings.preset("none")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: ClassWeights = "equal"
    precision: Precision = "float32"

    @field_validator("augmentation", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return AugmentationSettings.preset(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _rungs_rise(self) -> Self:
        check_rungs(self.rungs, self.epochs)
        return self

    @property
    def fit(self) -> ClassifierFitSettings:
        """The same for `nas.training.classification`."""
        return ClassifierFitSettings(**self.model_dump(exclude={"rungs"}))


class TeacherTrainingSettings(ClassifierFitSettings):
    """Training of a teacher that is made before the search.

    Attributes:
        epochs: Passes over the training split.
    """

    epochs: int = Field(20, ge=1)


class ClassifierTeacherSettings(Settings):
    """The network that candidates learn from.

    Attributes:
        run: A run of ``nas train``, or a network file; null trains the teacher before the search.
        model: The network that is trained then.
        training: How.
    """

    run: str | None = None
    model: ClassifierSettings = ClassifierSettings(name="resnet20", weights=NONE)
    training: TeacherTrainingSettings = TeacherTrainingSettings()


class ClassifierDistillationSettings(Settings):
    """The loss towards the teacher.

    Attributes:
        enabled: Whether there is a teacher at all.
        method: A loss; `nas.distillation.describe` lists them.
        weight: Of the loss; null is the published one.
        options: Of the loss, for example ``temperature``.
    """

    enabled: bool = True
    method: str = "soft_target"
    weight: float | None = Field(None, gt=0)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _loss_exists(self) -> Self:
        self.term  # noqa: B018  an unknown loss or option is refused here
        return self

    @property
    def term(self) -> TermSettings:
        """The loss, at the places where it is compared by default."""
        return TermSettings(method=self.method, weight=self.weight, options=self.options)


class ClassifierEvaluationSettings(Settings):
    """Everything about evaluating classification candidates.

    Attributes:
        training: How a candidate is trained.
        distillation: Its loss towards the teacher.
        teacher: The teacher.
    """

    training: CandidateTrainingSettings = CandidateTrainingSettings()
    distillation: ClassifierDistillationSettings = ClassifierDistillationSettings()
    teacher: ClassifierTeacherSettings = ClassifierTeacherSettings()
