"""A few drawn faces, and networks for them that are trained in a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

import nas.tasks
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.segmentation import PlainDecoder, SegmentationNetwork
from nas.tasks import SegmentationTask
from nas.tasks.segmentation.source import SegmentationSource
from nas.training.seeding import seeded


class Unreadable(SegmentationSource):
    """A split whose images must not be read."""

    names = ("secret",)

    @property
    def digest(self) -> str:
        return "unreadable"

    def read(self) -> Any:
        raise AssertionError("this split must not be read")

    def inspect(self) -> Any:
        raise AssertionError("this split must not be inspected")


@pytest.fixture(scope="session")
def whole_faces(tmp_path_factory: pytest.TempPathFactory) -> SegmentationTask:
    """24, 8 and 8 faces of 32x32 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(tmp_path_factory.mktemp("faces")))
        task = nas.tasks.load("faces", size=32, train=24, validation=8, test=8)
        for split in task.splits:
            assert len(task.dataset(split).images) > 0
    assert isinstance(task, SegmentationTask)
    return task


@pytest.fixture(scope="session")
def faces(whole_faces: SegmentationTask) -> SegmentationTask:
    """The same; reading the test split is an error."""
    return replace(whole_faces, sources={**whole_faces.sources, "test": Unreadable()})


@pytest.fixture(scope="session")
def make_network(faces: SegmentationTask) -> Callable[..., SegmentationNetwork]:
    """Makes networks with a small encoder; the seed decides their weights."""

    def make(seed: int = 0, width: int = 8, dropout: float = 0.0) -> SegmentationNetwork:
        with seeded(seed, "test network"):
            encoder = Encoder(EncoderSettings(name="lcnet_035", weights="none"))
            decoder = PlainDecoder(encoder.channels, len(faces.classes), width)
        decoder.smooth.append(nn.Dropout2d(dropout))
        return SegmentationNetwork(encoder, decoder)

    return make
