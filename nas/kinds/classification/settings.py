"""How classifiers are trained, and how a candidate is evaluated."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.distillation.terms import TermSettings
from nas.kinds.rungs import Rungs, check_rungs
from nas.kinds.teacher_file import TeacherModel
from nas.models.classifiers import ClassifierSettings
from nas.models.encoder import NONE
from nas.settings import Settings
from nas.tasks.classification.augmentation import AugmentationSettings
from nas.tasks.part import PartSize
from nas.training.class_weights import ClassWeights
from nas.training.precision import Precision
from nas.training.schedule import ScheduleName
from nas.training.stage_settings import StageTraining
from nas.training.update import OptimiserName

MonitorName = Literal["accuracy", "mean_class_accuracy", "macro_f1", "loss"]


def preset_of(settings: type[Settings], name: str) -> AugmentationSettings:
    """The preset of the augmentation that settings have."""
    augmentation: Any = settings.model_fields["augmentation"].annotation
    found: AugmentationSettings = augmentation.preset(name)
    return found


class ClassifierFitSettings(StageTraining):
    """How a classifier is trained.

    A setting that would have no effect beside the others is refused, not passed over.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images of an update.
        optimiser: adamw, adam or sgd.
        learning_rate: Its base.
        weight_decay: Of all parameters.
        momentum: Of sgd.
        schedule: cosine, constant, poly or step.
        milestones: Shares of the training after which the schedule ``step`` lowers the rate.
        gamma: Factor of ``step``.
        cycle_epochs: Epochs in which the schedule ``cosine`` falls before it rises; null falls
            once, over the whole training.
        warmup: Share of the training with a rising rate, which is never 0.
        clip: Largest norm of the gradient; null does not clip.
        polyak: Decay of the running average of the weights (EMA); null trains without.
        augmentation: none, light, full, or the settings of one.
        mixing: none, mixup (Zhang et al. 2018) or cutmix (Yun et al. 2019).
        mixing_alpha: Both parameters of the Beta distribution of the shares.
        label_smoothing: Share of a label that goes to all classes.
        class_weights: equal, or balanced; see `balanced_weights`.
        r_drop: Weight of the divergence of two passes with different dropout (Liang et al. 2021);
            null makes one pass.
        precision: float32, bfloat16 or float16 for the forward pass.
        freeze_batch_norm: Keep the statistics of batch norms.
        monitors: Scores on the validation split, each with its own best weights; the first
            decides. Where no predictions are trained, the training loss decides alone.
        burn_in: Initial epochs that cannot become the best.
        patience: Stop after this many epochs without improvement; null never stops early.
    """

    later = (*StageTraining.later, "cycle_epochs")

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(64, ge=2)
    optimiser: OptimiserName = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    schedule: ScheduleName = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = Field(0.1, gt=0, lt=1)
    cycle_epochs: int | None = Field(None, ge=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    clip: float | None = Field(None, gt=0)
    polyak: float | None = Field(None, gt=0, lt=1)
    augmentation: AugmentationSettings = AugmentationSettings.preset("light")
    mixing: Literal["none", "mixup", "cutmix"] = "none"
    mixing_alpha: float = Field(1.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: ClassWeights = "equal"
    r_drop: float | None = Field(None, gt=0)
    precision: Precision = "float32"
    freeze_batch_norm: bool = False
    monitors: tuple[MonitorName, ...] = Field(("accuracy",), min_length=1)
    burn_in: int = Field(0, ge=0)
    patience: int | None = Field(None, ge=1)

    @field_validator("augmentation", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return preset_of(cls, value) if isinstance(value, str) else value

    @field_validator("milestones")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)) or not all(0 < share < 1 for share in value):
            raise ValueError("must be rising shares of the training, between 0 and 1")
        return value

    @field_validator("monitors")
    @classmethod
    def _unique(cls, value: tuple[MonitorName, ...]) -> tuple[MonitorName, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a score occurs twice; name each once")
        return value

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if self.time is None and self.burn_in >= self.epochs:
            raise ValueError(
                f"burn_in {self.burn_in} leaves none of the {self.epochs} epochs; lower it"
            )
        for key, used, needed in (
            ("momentum", self.optimiser == "sgd", "optimiser sgd"),
            ("milestones", self.schedule == "step", "schedule step"),
            ("gamma", self.schedule == "step", "schedule step"),
            ("cycle_epochs", self.schedule == "cosine", "schedule cosine"),
            ("mixing_alpha", self.mixing != "none", "mixing mixup or cutmix"),
        ):
            changed = getattr(self, key) != type(self).model_fields[key].default
            if changed and not used:
                raise ValueError(f"{key} has an effect with {needed} only; set that too")
        return self


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
        return preset_of(cls, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _rungs_rise(self) -> Self:
        check_rungs(self.rungs, self.epochs)
        return self

    @property
    def fit(self) -> ClassifierFitSettings:
        """The same as settings of a full training."""
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
        run_model: The network whose weights `run` holds, where that is a checkpoint of timm.
        model: The network that is trained then.
        training: How.
    """

    later = ("run_model",)

    run: str | None = None
    run_model: TeacherModel | None = None
    model: ClassifierSettings = ClassifierSettings(name="resnet20", weights=NONE)
    training: TeacherTrainingSettings = TeacherTrainingSettings()

    @model_validator(mode="after")
    def _run_of_model(self) -> Self:
        if self.run_model is not None and self.run is None:
            raise ValueError("run_model belongs to a checkpoint; give its file as run")
        return self


class ClassifierDistillationSettings(Settings):
    """The loss towards the teacher.

    Attributes:
        enabled: Whether there is a teacher at all.
        method: A loss; `nas.distillation.describe` lists them. The default gained a point over
            labels alone in short trainings on Fashion-MNIST (docs/results.md).
        weight: Of the loss; null is the published one on logits, and on features one that is
            measured for every candidate.
        options: Of the loss, for example ``temperature``.
    """

    enabled: bool = True
    method: str = "dist"
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
        train_images: How many training images teacher and candidates learn from, a stratified
            part of them, or ``all``; ``auto`` is 4000 where all take more than 1 GiB.
    """

    training: CandidateTrainingSettings = CandidateTrainingSettings()
    distillation: ClassifierDistillationSettings = ClassifierDistillationSettings()
    teacher: ClassifierTeacherSettings = ClassifierTeacherSettings()
    train_images: PartSize = "auto"


class ClassifierRetrainingSettings(ClassifierFitSettings):
    """Training of ``nas retrain``, from random weights."""

    epochs: int = Field(60, ge=1)
