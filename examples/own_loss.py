r"""A loss of your own: the angle between what the student and the teacher give.

    nas search --task digits --distill.method examples/own_loss.py:Cosine
    nas distill --task digits --model resnet8x4 --teacher runs/teacher \
        --method examples/own_loss.py:Cosine --option power=2

A loss declares in its `info` what it compares, its weight and where it is compared by default; the
options of its constructor are those of ``--option``. Give it a ``paper`` and a ``link`` for the
list of `nas distill --list`, and `needs_targets=True` to be called with the true classes as well.
"""

from torch import Tensor
from torch.nn import functional

from nas import distillation
from nas.distillation import DistillationLoss, LossInfo


@distillation.register
class Cosine(DistillationLoss):
    """One minus the cosine over the channels, to a power, averaged over samples and positions."""

    info = LossInfo(
        name="cosine",
        compares=("logits", "features"),
        summary="angle between the vectors of channels",
        weight=1.0,
        weight_on_features=10.0,
    )

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar, for logits or features of equal shape with the channels in dimension 1."""
        return (1 - functional.cosine_similarity(student, teacher, dim=1)).pow(self.power).mean()
