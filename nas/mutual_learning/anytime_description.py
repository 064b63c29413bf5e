"""What a file with exits holds beside its weights."""

from __future__ import annotations

from nas.kinds.network_file import code_named
from nas.mutual_learning.networks_file import ClassifiersDescription
from nas.settings import Settings


class Exit(Settings):
    """A place where the networks can answer: a classifier at a cut, or the end of a path.

    Attributes:
        path: Numbers of the networks whose parts lead there; a whole path at its end.
        accuracy: On the validation split.
        temperature: That its logits are divided by.
        macs: Multiply-accumulates to the answer.
    """

    path: tuple[int, ...]
    accuracy: float
    temperature: float
    macs: float


class Times(Settings):
    """How long it takes to an answer for one image, in milliseconds.

    Of many measurements it is the one that 99 % do not exceed.

    Attributes:
        device: Processor, and the number of threads.
        answers: By what has run already and the exit, such as ``resnet18>resnet18/resnet34``;
            from the image there is nothing before the ``>``.
        asking: The same where the exits that are passed are asked too.
    """

    device: str
    answers: dict[str, float]
    asking: dict[str, float]


class AnytimeDescription(Settings):
    """How networks with exits are built and fed, and what is known of the exits.

    Attributes:
        networks: Those that learned together.
        exits: Every place where they can answer.
        times: As measured where the file was made.
        budget: Milliseconds for an image, unless a call says otherwise; None for no limit.
    """

    networks: ClassifiersDescription
    exits: tuple[Exit, ...]
    times: Times
    budget: float | None = None

    def code(self) -> list[str]:
        """Import paths of what the networks are built with."""
        return [name for one in self.networks.networks for name in code_named(one.model)]
