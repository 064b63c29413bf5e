"""What Dong and Yang (ICLR 2020, https://arxiv.org/abs/2001.00326) report for their space."""

from __future__ import annotations

from dataclasses import dataclass

SPACE = "nasbench201"


@dataclass(frozen=True)
class PublishedRow:
    """Test accuracy of the candidate that a search of about 100 evaluations chose.

    Attributes:
        name: Of the algorithm.
        mean: Over 500 runs, in percent.
        std: Standard deviation over these, in percent.
    """

    name: str
    mean: float
    std: float


ROWS: dict[str, tuple[PublishedRow, ...]] = {
    "cifar10": (
        PublishedRow("random", 93.70, 0.36),
        PublishedRow("REINFORCE", 93.85, 0.37),
        PublishedRow("evolution", 93.92, 0.30),
    ),
    "cifar100": (
        PublishedRow("random", 71.04, 1.07),
        PublishedRow("REINFORCE", 71.71, 1.09),
        PublishedRow("evolution", 71.84, 0.99),
    ),
}
"""Rows by data set, after training for 200 epochs."""


def published_rows(space: str, dataset: str) -> tuple[PublishedRow, ...]:
    """The published rows of a data set; none where nothing was published."""
    return ROWS.get(dataset, ()) if space == SPACE else ()
