from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency import export_onnx


class SmallSegmenter(nn.Module):
    """Convolution, dilated depthwise convolution, batch norm, pooling, bilinear resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()
        )
        self.depthwise = nn.Conv2d(8, 8, 3, padding=3, dilation=3, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.context = nn.Conv2d(8, 8, 1)
        self.classifier = nn.Conv2d(8, 5, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.stem(image)
        local = torch.relu(self.norm(self.depthwise(features)))
        pooled = self.context(F.adaptive_avg_pool2d(features, 1))
        pooled = F.interpolate(pooled, size=local.shape[-2:], mode="bilinear")
        logits = self.classifier(local + pooled)
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)


@pytest.fixture
def segmenter() -> SmallSegmenter:
    torch.manual_seed(0)
    network = SmallSegmenter()
    # Running statistics that differ from the initial ones, so that folding them wrongly shows.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
    return network


@pytest.fixture
def onnx_file(segmenter: SmallSegmenter, tmp_path: Path) -> Path:
    return export_onnx(segmenter, (1, 3, 24, 32), tmp_path / "segmenter.onnx")
