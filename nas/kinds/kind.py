"""What a kind of task has to say of itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.kinds.ahead import Announce
from nas.kinds.candidates import Candidates
from nas.models.network_settings import NetworkSettings
from nas.settings import Settings
from nas.tasks import Task
from nas.training.phase import Phase
from nas.training.recipe import Recipe, SettingsT, TaskT
from nas.training.scoring import ScoreCard
from nas.training.stage_settings import StageTraining
from nas.training.views import ViewsName
from search_spaces.genotype import Genotype
from search_spaces.space import SearchSpace


@dataclass(frozen=True)
class Teacher:
    """A network to learn from.

    Attributes:
        network: In evaluation mode.
        path: Where it comes from.
        card: Its scores on the validation split; None if it knows other classes.
        identity: Changes with its weights and with how it is given its images.
        remark: What is known of it before anybody learns from it, as a clause.
    """

    network: nn.Module
    path: Path
    card: ScoreCard | None
    identity: str
    remark: str

    def require_comparable(self, losses: Iterable[TermSettings]) -> None:
        """Refuses losses on the logits of a teacher that knows other classes.

        Raises:
            UserError: If there is one.
        """
        for loss in losses if self.card is None else ():
            if loss.compares == "logits" or loss.info.needs_classifiers:
                raise UserError(
                    f"teacher {self.path}: its classes are not those of the task, so its logits "
                    f"cannot be compared by {loss.info.name!r}; choose a loss on features, such as "
                    "'similarity', or a teacher that was trained for this task."
                )


@dataclass(frozen=True)
class Prepared:
    """What all candidates of a search share; a kind may add to it.

    Attributes:
        task: The data.
        device: Where candidates are trained.
        teacher: What they learn from, or None.
    """

    task: Task
    device: torch.device
    teacher: Teacher | None

    def of(self, genotype: Genotype) -> Prepared:
        """What the candidates like one of them share; all, unless a kind says otherwise."""
        return self


PreparedT = TypeVar("PreparedT", bound=Prepared)
EvaluationT = TypeVar("EvaluationT", bound=Settings)


class Kind(Recipe[TaskT, SettingsT], Generic[TaskT, SettingsT, EvaluationT, PreparedT]):
    """What differs between the kinds of tasks.

    Attributes:
        name: As tasks and search spaces give it.
        space_kind: What the search spaces of its candidates say that they are for; its own name
            unless given.
        default_task: Task of a search that names none.
        default_space: Search space of a search that names none.
        sizes: Search spaces named by the size of their networks, the smallest first. A search with
            limits that names no space takes the one that suits them.
        default_metric: Metric that earns reward unless another is chosen.
        metrics: Metrics that can earn reward; a user's own can, too.
        figures: Figures of a whole split by which trainings are compared; the first one decides.
        first_figure_is_an_error: Whether it is the better the smaller it is.
        views: Test-time augmentations that `score` knows.
        model_settings: Networks that ``nas train`` and ``nas distill`` train.
        searched_settings: Networks that a search has found.
        training_settings: How ``nas train`` and ``nas distill`` train.
        evaluation_settings: How a search evaluates its candidates. Has ``distillation`` with
            ``enabled`` and ``term``, and ``teacher`` with ``run`` (of ``nas train``, or None),
            ``model`` (what is trained otherwise) and ``training`` (how).
        retraining_settings: How ``nas retrain`` trains.
        distillation_losses: Losses of ``nas retrain`` and ``nas distill`` towards a teacher, unless
            they are told others.
    """

    space_kind: ClassVar[str | None] = None
    default_task: ClassVar[str]
    default_space: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]] = ()
    default_metric: ClassVar[str] = "f1"
    metrics: ClassVar[tuple[str, ...]]
    figures: ClassVar[tuple[str, ...]]
    first_figure_is_an_error: ClassVar[bool] = False
    views: ClassVar[tuple[ViewsName, ...]] = ("flip",)
    model_settings: ClassVar[type[NetworkSettings]]
    searched_settings: ClassVar[type[NetworkSettings]]
    training_settings: ClassVar[type[StageTraining]]
    evaluation_settings: ClassVar[type[Settings]]
    retraining_settings: ClassVar[type[StageTraining]]
    distillation_losses: ClassVar[tuple[TermSettings, ...]]

    @abstractmethod
    def create(self, model: Any, task: TaskT) -> nn.Module:
        """A network of `model_settings` with the weights that its training starts from.

        Raises:
            UserError: If there is no such network, or its weights cannot be had.
        """

    def as_trained(self, model: Any, task: TaskT) -> Any:
        """The settings of a network with what its file has to tell of the task."""
        return model

    @abstractmethod
    def without_hub(self, model: Any) -> Any:
        """The same model, its weights random where they would come from a hub."""

    @abstractmethod
    def check_teacher(
        self, network: nn.Module, card: ScoreCard, task: TaskT, device: torch.device
    ) -> str:
        """Refuses a teacher that has nothing to teach.

        Args:
            network: In evaluation mode.
            card: Its scores on the validation split.
            task: The data.
            device: Where the network is.

        Returns:
            What is known of it, as a clause.

        Raises:
            UserError: If it is no better than guessing, or its logits are unusable.
        """

    @abstractmethod
    def check_evaluation(
        self, task: TaskT, settings: EvaluationT, space: SearchSpace, device: torch.device
    ) -> None:
        """Refuses settings with which no candidate can be evaluated; nothing is trained.

        Whether weights can be had from a hub is not tried.

        Raises:
            UserError: If a name, an option or a file is wrong, or the loss does not suit the
                networks.
        """

    @abstractmethod
    def check_rungs(self, settings: EvaluationT) -> None:
        """Refuses successive halving where no candidate is scored on its way.

        Raises:
            UserError: One sentence that says how to get a rung.
        """

    def intervals(
        self, card: ScoreCard, task: TaskT, split: str
    ) -> Mapping[str, tuple[float, float]]:
        """95 % intervals of figures.

        Args:
            card: The scores of a network.
            task: The data.
            split: Of the scores.

        Raises:
            UserError: If figures of the kind have none.
        """
        raise UserError(f"intervals: {self.name} has none; they are there for antispoofing.")

    def seen_from(self, task: TaskT, home: TaskT) -> TaskT:
        """A task for networks that were trained on other data, with what they take from there.

        Args:
            task: The data to score them on.
            home: Those of their training.

        Raises:
            UserError: If the networks cannot take the images of the task.
        """
        if dict(task.inputs) != dict(home.inputs):
            raise UserError(
                f"task {task.name!r} has the inputs {dict(task.inputs)} (channels by name), and "
                f"the networks were trained with {dict(home.inputs)}."
            )
        return replace(task, normalisation=(home.mean, home.std))

    def image_shape(self, task: TaskT, settings: EvaluationT) -> tuple[int, int, int, int]:
        """N x channels x height x width of one image as candidates take it."""
        return task.input_shape

    @abstractmethod
    def candidates(
        self,
        space: SearchSpace,
        settings: EvaluationT,
        num_classes: int,
        input_shape: tuple[int, int, int, int],
        prepared: PreparedT | None = None,
    ) -> Candidates:
        """The networks of a search; their weights are random unless something is prepared."""

    @abstractmethod
    def candidates_like(
        self, network: Any, num_classes: int, input_shape: tuple[int, int, int, int]
    ) -> Candidates:
        """The candidates that a network of `searched_settings` was one of."""

    @abstractmethod
    def prepare(
        self,
        task: TaskT,
        settings: EvaluationT,
        space: SearchSpace,
        cache: Path,
        device: torch.device,
        seed: int,
        announce: Announce,
    ) -> Prepared:
        """Trains or loads what candidates share; everything lands in the cache folder.

        Several processes may call this at once: one works, the others wait and load.

        Raises:
            UserError: If it cannot be made, or the teacher is useless.
        """

    @abstractmethod
    def build(self, candidates: Candidates, genotype: Genotype, settings: EvaluationT) -> nn.Module:
        """What `phases` train, with random weights."""

    @abstractmethod
    def phases(
        self, candidate: nn.Module, prepared: PreparedT, settings: EvaluationT, seed: int
    ) -> Sequence[Callable[[], Phase]]:
        """The phases in which a candidate is trained from random weights.

        Each is made when its turn comes, and begins with what the one before has trained.

        Args:
            candidate: What `build` made, on the device.
            prepared: What candidates like this one share; it stays as it is.
            settings: Of the evaluation.
            seed: Of order, augmentation and whatever else is random.
        """

    @abstractmethod
    def found(self, space: SearchSpace, genotype: Genotype, settings: EvaluationT) -> Any:
        """The `searched_settings` of a candidate."""

    @abstractmethod
    def untrained(self, network: Any, task: TaskT, prepared: PreparedT | None) -> nn.Module:
        """A network of `searched_settings` as its full training starts.

        Args:
            network: What `found` gave.
            task: The data.
            prepared: What candidates like this one share.
        """

    def warm_up(
        self, network: nn.Module, prepared: PreparedT, settings: EvaluationT, seed: int
    ) -> None:
        """Whatever comes before the stages of a full training; nothing unless a kind says so."""

    def score_at_own_size(
        self,
        network: nn.Module,
        task: TaskT,
        split: str,
        device: torch.device,
        views: ViewsName = "none",
    ) -> ScoreCard | None:
        """Scores as `score` gives them, against targets at their own size.

        None where they have none but the task's, which is so unless a kind says otherwise.
        """
        return None

    def deployed(self, network: nn.Module) -> nn.Module:
        """A trained network without what only its training needs."""
        return network


AnyKind = Kind[Any, Any, Any, Any]
