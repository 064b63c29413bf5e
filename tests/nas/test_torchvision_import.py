from __future__ import annotations

import importlib

import pytest

from nas import torchvision_import
from nas.torchvision_import import torchvision


def test_gives_a_torchvision_whose_transforms_work():
    v2 = importlib.import_module("torchvision.transforms.v2")
    assert torchvision.__name__ == "torchvision"
    assert v2.Resize((2, 3))(torchvision.tv_tensors.Mask([[1, 2], [3, 4]])).shape == (2, 3)


def test_another_error_of_the_import_is_not_hidden(monkeypatch):
    def fail(name):
        raise RuntimeError("another error")

    monkeypatch.setattr(torchvision_import.importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="another error"):
        torchvision_import._import_torchvision()
