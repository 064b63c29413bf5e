"""What ``nas mutual`` does."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

import nas.tasks
from nas.distillation.terms import TermSettings
from nas.files import located
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.kinds.segmentation.settings import TrainingSettings
from nas.models.classifiers import ClassifierSettings
from nas.models.segmenters import SegmenterSettings
from nas.mutual_learning.losses import Direction, Method, MutualLoss, Normaliser
from nas.mutual_learning.matching import Assignment, Similarity
from nas.objects import is_object
from nas.settings import Settings

Order = Literal["sequential", "simultaneous"]
TrainedBy = Literal["both", "sender", "receiver"]
StatisticsOf = Literal["own", "common"]


class StudentSettings(Settings):
    """A network that learns together with others.

    Attributes:
        model: The network and the weights that it starts from.
        cut: Modules after which it is cut; null cuts it as the run says.
        frozen: Whether it stays as it is, batch-norm statistics included, while others learn from
            it and with its parts.
    """

    later = ("frozen",)

    model: Any
    cut: tuple[str, ...] | None = None
    frozen: bool | None = None


class ClassifierStudentSettings(StudentSettings):
    """A classifier that learns together with others."""

    model: ClassifierSettings


class EncoderStudentSettings(StudentSettings):
    """An encoder that learns together with others, under one decoder."""

    model: SegmenterSettings


class MatchingSettings(Settings):
    """Brings the channels at the cuts into the order of the first network's, before training.

    For networks that were trained before: their halves disagree on the order of channels.

    Attributes:
        similarity: bmm, cosine or l2; see `channel_similarity`.
        standardised: Whether each channel is standardised first.
        assignment: gale_shapley or hungarian.
        images: Images of the training split whose maps are compared.
    """

    similarity: Similarity = "l2"
    standardised: bool = True
    assignment: Assignment = "gale_shapley"
    images: int = Field(256, ge=2)


class AdapterSettings(Settings):
    """1x1 convolutions, each with a ReLU, between networks of unequal width at a cut.

    Attributes:
        trained_by: Whose loss an adapter learns from: both, the sender (the network whose maps it
            takes) or the receiver (the network whose part follows). In simultaneous order the sum
            of all losses trains everything, so both it is.
        map_weight: Weight, in the loss of each network, of the mean squared difference between
            adapted maps and those of the network that they are handed to; see `map_loss`.
    """

    trained_by: TrainedBy = "both"
    map_weight: float = Field(0.0, ge=0)


class MutualConfig(Settings):
    """A training of several networks that learn from each other, over one or several seeds.

    It is the base of those of each kind. A setting that would have no effect beside the others is
    refused, not passed over.

    Attributes:
        task: A built-in task, a folder, or a YAML file.
        data: Folder of the images, if it is not the one that the task gives.
        task_options: Options of the task, such as its input size.
        students: The networks.
        cut: Modules after which each is cut, one for two parts, two for three.
        method: independent, dml or xml; see `MutualLoss`.
        order: sequential updates one network after the other, so that each learns from peers that
            have seen the batch already; simultaneous minimises the sum of all losses in one step.
        direction: Of the divergence: from_peer is KL(peer || own), to_peer KL(own || peer).
        detached: Whether the predictions of the peers count as given. In sequential order they
            always do, as no step changes a peer.
        normaliser: What the loss of xml is divided by.
        matching: Of channels, before the training; null crosses the networks as they are.
        adapters: Between networks whose maps at a cut differ in width; null refuses such networks.
        peer_losses: Losses of distillation by which each network learns from each of its peers,
            beside the method's; see `PeerLosses`.
        statistics: Of batch norms: own ones are measured for each path after the training, see
            `measure_statistics`; common ones are those of training. Null takes own for xml and
            common otherwise, and in a folder with trained networks what they have.
        training: How each is trained, with an optimiser of its own. The monitored scores are the
            means over the networks.
        latency: Device on which every path is measured, such as cpu; null measures none.
        seed: Of the first training; the others follow.
        seeds: How many trainings there are.
        device: auto, cpu or cuda:N.
    """

    later = ("adapters", "peer_losses", "statistics")

    task: str
    data: str | None = None
    task_options: dict[str, Any] = Field(default_factory=dict)
    students: tuple[StudentSettings, ...] = Field(min_length=2)
    cut: tuple[str, ...] = Field(("layer2",), min_length=1, max_length=2)
    method: Method = "xml"
    order: Order = "sequential"
    direction: Direction = "from_peer"
    detached: bool = True
    normaliser: Normaliser = "2(K-1)"
    matching: MatchingSettings | None = None
    adapters: AdapterSettings | None = None
    peer_losses: tuple[TermSettings, ...] | None = None
    statistics: StatisticsOf | None = None
    training: Any
    latency: str | None = None
    seed: int = Field(0, ge=0)
    seeds: int = Field(1, ge=1)
    device: str = "auto"

    @field_validator("task")
    @classmethod
    def _find_task(cls, task: str) -> str:
        return nas.tasks.address(task)

    @field_validator("data")
    @classmethod
    def _find_data(cls, data: str | None) -> str | None:
        return located(data)

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        mutual = self.method != "independent"
        for key, used, needed in (
            ("order", mutual or self.peer_losses, "method dml or xml, or peer_losses"),
            ("direction", mutual, "method dml or xml"),
            ("detached", mutual and self.order == "simultaneous", "order simultaneous"),
            ("normaliser", self.method == "xml", "method xml"),
        ):
            if getattr(self, key) != type(self).model_fields[key].default and not used:
                raise ValueError(f"{key} has an effect with {needed} only; set that too")
        self._check_adapters()
        self._check_peers()
        if self.training.time is not None:
            raise ValueError("training.time: mutual learning counts epochs; give training.epochs")
        if self.training.precision == "float16":
            raise ValueError("training.precision float16 is not for several losses; use bfloat16")
        for student in self.students:
            if student.cut is not None and len(student.cut) != len(self.cut):
                raise ValueError(
                    f"{student.model.name} has {len(student.cut)} cuts, the run has "
                    f"{len(self.cut)}; every network needs the same number of parts"
                )
        return self

    def _check_adapters(self) -> None:
        if self.adapters is None:
            return
        if self.matching is not None:
            raise ValueError("matching is for maps of one width; leave adapters or matching out")
        if self.adapters.trained_by != "both" and self.order == "simultaneous":
            raise ValueError(
                "adapters.trained_by has an effect with order sequential only; set that too"
            )

    def _check_peers(self) -> None:
        if not self.learning:
            raise ValueError("every network is frozen, so nothing is left to learn")
        if (
            self.adapters
            and self.adapters.trained_by != "both"
            and len(self.learning) < len(self.students)
        ):
            raise ValueError("adapters.trained_by: beside a frozen network, both it is")

    @property
    def learning(self) -> tuple[int, ...]:
        """Numbers of the networks that are not frozen."""
        return tuple(n for n, student in enumerate(self.students) if not student.frozen)

    @property
    def loss(self) -> MutualLoss:
        """The loss of each network."""
        return MutualLoss(self.method, self.direction, self.detached, self.normaliser)

    @property
    def parts(self) -> int:
        """Of each network."""
        return len(self.cut) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """What each network is called; a second one of a name gets a number."""
        found: list[str] = []
        for student in self.students:
            name = _short(student.model.name)
            numbered = (f"{name}-{number}" for number in range(2, len(self.students) + 1))
            found.append(name if name not in found else next(n for n in numbered if n not in found))
        return tuple(found)

    def cut_of(self, student: StudentSettings) -> tuple[str, ...]:
        """Where a network is cut."""
        return student.cut or self.cut

    def identity(self) -> dict[str, Any]:
        """What a folder is tied to: all but where it runs and how many trainings follow."""
        return self.model_dump(mode="json", exclude={"seeds", "device", "latency"})


class ClassificationMutualConfig(MutualConfig):
    """A training of several classifiers that learn from each other."""

    students: tuple[ClassifierStudentSettings, ...] = Field(min_length=2)
    training: ClassifierFitSettings = ClassifierFitSettings()

    @model_validator(mode="after")
    def _one_pass(self) -> Self:
        if self.training.r_drop is not None:
            raise ValueError("training.r_drop: networks that learn together make one pass each")
        return self


class SegmentationMutualConfig(MutualConfig):
    """A training of several encoders that learn from each other, under one decoder.

    Attributes:
        kind: Tells a saved configuration from one of classifiers.
    """

    kind: Literal["segmentation"] = "segmentation"
    students: tuple[EncoderStudentSettings, ...] = Field(min_length=2)
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _under_one_decoder(self) -> Self:
        if self.method == "independent":
            raise ValueError(
                "method independent: encoders under one decoder learn together; train each with "
                "nas train instead"
            )
        given = [key for key in ("matching", "adapters", "peer_losses") if getattr(self, key)]
        if given:
            raise ValueError(f"{given[0]} is for classification; leave it out")
        if any(student.frozen for student in self.students):
            raise ValueError(
                "frozen is for classification, as all encoders learn with their decoder; leave it "
                "out"
            )
        if len({student.model.strides for student in self.students}) > 1:
            raise ValueError("strides have to be the same for all encoders under one decoder")
        return self


def _short(name: str) -> str:
    """A name without what separates parts in the names of paths, modules and files."""
    short = name if is_object(name) else name.rpartition(":")[2]
    return short.replace("/", "-").replace(".", "-").replace(":", "-")
