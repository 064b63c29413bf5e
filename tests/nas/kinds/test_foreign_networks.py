"""Network files of somebody else: nothing of them is run, fetched or read from elsewhere."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

import nas
from nas import allowed
from nas.kinds.network_file import NetworkDescription, load, save_network
from nas.models.classifiers import ClassifierSettings
from nas.models.segmenters import SegmenterSettings

CLASSES = ("a", "b")
CODE = "from torch import nn\nfrom pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
NETWORK = "class Net(nn.Sequential):\n    def __init__(self):\n        super().__init__("
BODY = "nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(allowed, "_told", set())


def foreign(path, network, kind="classification"):
    description = {
        "kind": kind,
        "network": network,
        "classes": CLASSES,
        "input_size": [8, 8],
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    save_file({"a": torch.zeros(1)}, path, {"nas": json.dumps(description)})
    return path


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("checkpoint_path", "/tmp/evil.pth"),
        ("pretrained_cfg", {"file": "/tmp/evil.pth"}),
        ("pretrained_cfg_overlay", {"file": "/tmp/evil.pth"}),
        ("pretrained", True),
        ("cache_dir", "/tmp"),
        ("features_only", True),
        ("anything_new", 1),
    ],
)
@pytest.mark.parametrize("kind", ["classification", "segmentation"])
def test_options_that_do_not_shape_a_network_are_refused(tmp_path, kind, option, value):
    path = foreign(tmp_path / "a", {"name": "resnet10t", "options": {option: value}}, kind)
    with pytest.raises(nas.UserError, match=f"the option '{option}' is not one that shapes"):
        load(path)


@pytest.mark.parametrize(
    "name",
    ["hf-hub:who/what", "hf_hub:who/what", "local-dir:/tmp/evil", "torch.hub:load", "evil.py:Net"],
)
@pytest.mark.parametrize("kind", ["classification", "segmentation"])
def test_names_with_a_colon_are_refused(tmp_path, kind, name):
    path = foreign(tmp_path / "a", {"name": name, "options": {}}, kind)
    with pytest.raises(nas.UserError, match=f"it names {name}, which was never used"):
        load(path)


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("classification", {"space": "evil.py:Space"}),
        ("segmentation", {"space": "evil.py:Space", "encoder": {"name": "resnet10t"}}),
        ("segmentation", {"space": "fastnas", "encoder": {"name": "evil.py:Space"}}),
    ],
)
def test_spaces_and_encoders_with_a_colon_are_refused(tmp_path, kind, network):
    settings = {"space_options": {}, "genotype": "[]", **network}
    path = foreign(tmp_path / "a", settings, kind)
    with pytest.raises(nas.UserError, match=r"it names evil\.py:Space, which was never used"):
        load(path)


def test_code_of_a_file_runs_only_when_it_is_allowed(tmp_path):
    code = tmp_path / "own_of_somebody.py"
    code.write_text(CODE + NETWORK + BODY, encoding="utf-8")
    path = foreign(tmp_path / "a", {"name": f"{code}:Net"})
    with pytest.raises(nas.UserError, match="nas allow"):
        load(path)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(nas.UserError, match="tensors are missing"):
        load(path, own=True)
    assert (tmp_path / "ran").exists()


def test_networks_of_ones_own_that_were_made_here_need_no_word(tmp_path, monkeypatch):
    code = tmp_path / "own_of_mine.py"
    code.write_text(CODE + NETWORK + BODY, encoding="utf-8")
    settings = ClassifierSettings(name=f"{code}:Net")
    description = NetworkDescription(
        kind="classification",
        network=settings,
        classes=CLASSES,
        input_size=(8, 8),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    save_network(description.build(), description, tmp_path / "model.safetensors")
    monkeypatch.setattr(allowed, "_told", set())
    assert load(tmp_path / "model.safetensors")(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


@pytest.mark.parametrize("settings", [ClassifierSettings, SegmenterSettings])
def test_options_that_shape_a_network_are_allowed(settings):
    network = settings(name="resnet10t", options={"drop_path_rate": 0.1})
    assert network.build(2, (32, 32), 3).eval()(torch.zeros(1, 3, 32, 32)).shape[:2] == (1, 2)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "1", "[" * 100000])
def test_a_damaged_description_is_one_sentence(tmp_path, text):
    save_file({"a": torch.zeros(1)}, tmp_path / "a", {"nas": text})
    with pytest.raises(nas.UserError, match="damaged"):
        load(tmp_path / "a")


@pytest.mark.parametrize(
    "network", [None, [], 1, {"name": 3}, {"name": "resnet10t", "options": []}, {"genotype": "x"}]
)
def test_settings_of_another_form_are_one_sentence(tmp_path, network):
    with pytest.raises(nas.UserError):
        load(foreign(tmp_path / "a", network))
