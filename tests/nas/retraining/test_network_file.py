from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import nas
from nas.errors import UserError
from nas.models.encoder import EncoderSettings
from nas.models.segmentation import without_auxiliary
from nas.retraining.network_file import NetworkDescription, save_network

DESCRIPTION = NetworkDescription(
    space="fastnas",
    space_options={"branches": 2, "cells": 1, "width": 8},
    genotype="[[2,[0,1,3,4]],[[1,0]]]",
    encoder=EncoderSettings(name="mobilenetv3_small_050", weights="imagenet"),
    classes=("ground", "leaf"),
    input_size=(32, 48),
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.2, 0.1),
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    torch.manual_seed(0)
    network = DESCRIPTION.build()
    without_auxiliary(network.decoder)
    return save_network(network, DESCRIPTION, tmp_path_factory.mktemp("network")), network.eval()


def test_a_loaded_network_gives_the_logits_of_the_saved_one(saved) -> None:
    path, network = saved
    images = torch.randn(2, 3, 32, 48)
    for place in (path, path.parent, str(path)):
        loaded = nas.load(place)
        assert not loaded.training
        with torch.inference_mode():
            torch.testing.assert_close(loaded(images), network(images), rtol=0, atol=0)


def test_a_network_says_how_it_is_fed(saved) -> None:
    assert nas.describe(saved[0].parent) == DESCRIPTION


def test_saving_changes_no_file_that_is_not_its_own(saved) -> None:
    assert [path.name for path in saved[0].parent.iterdir()] == ["model.safetensors"]


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors: not a readable safetensors file"):
        nas.load(tmp_path / "none.safetensors")
    with pytest.raises(
        UserError, match=r"no network there; a folder with one holds model\.safetensors"
    ):
        nas.load(tmp_path)


def test_a_file_of_somebody_else_is_refused(tmp_path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="no description of a network; was it made by nas retrain"):
        nas.load(tmp_path)


def test_importing_nas_imports_no_torch() -> None:
    script = "import sys, nas; dir(nas); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_nas_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = nas.lod
