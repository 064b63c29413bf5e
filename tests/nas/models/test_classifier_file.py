from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

import nas
from nas.errors import UserError
from nas.models.classifier_file import (
    ClassifierDescription,
    load_classifier,
    read_classifier_description,
    save_classifier,
)
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.models.weights import save_described

LIGHT = "mobilenetv2_035"


def describe(name=LIGHT, size=(32, 32), **settings):
    return ClassifierDescription(
        network=ClassifierSettings(name=name, **settings),
        classes=("cat", "dog", "owl"),
        input_size=size,
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.2, 0.1),
    )


def save(folder, description, network=None):
    network = network or description.build()
    network.train()(torch.randn(4, 3, *description.input_size))
    path = folder / "model.safetensors"
    save_classifier(network, description, path)
    return path, network.eval()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (LIGHT, "auto"),
        (LIGHT, "standard"),
        ("resnet10t", "small"),
        ("resnet18", "auto"),
        ("convnext_atto", "auto"),
        ("resnet8x4", "small"),
        ("WRN-16-2", "auto"),
    ],
)
def test_a_loaded_network_gives_the_logits_of_the_saved_one(tmp_path, name, stem):
    path, network = save(tmp_path, describe(name, stem=stem))
    images = torch.randn(2, 3, 32, 32)
    for loaded in (load_classifier(path), nas.load(path), nas.load(str(tmp_path))):
        assert not any(module.training for module in loaded.modules())
        assert type(loaded) is type(network)
        with torch.inference_mode():
            assert torch.equal(loaded(images), network(images))


def test_the_description_comes_back_with_the_stem_that_was_built(tmp_path):
    description = describe(options={"drop_rate": 0.1})
    path, _ = save(tmp_path, description)
    expected = describe(options={"drop_rate": 0.1}, stem="small")
    assert nas.describe(path) == read_classifier_description(tmp_path) == expected


def test_a_network_from_pretrained_weights_is_loaded_without_them(tmp_path):
    weights = tmp_path / "pretrained.safetensors"
    source = create_classifier(ClassifierSettings(name="resnet18", stem="standard"), 9, (32, 32))
    save_file(source.state_dict(), weights)
    description = describe("resnet18", weights=str(weights))
    network = create_classifier(description.network, 3, (32, 32))
    path, network = save(tmp_path, description, network)
    weights.unlink()
    # Without the weights, auto would have given the small stem.
    assert nas.describe(path).network.stem == "standard"
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(nas.load(path)(images), network(images))


def test_a_saved_network_serves_as_weights_of_another(tmp_path):
    path, network = save(tmp_path, describe("resnet8x4"))
    loaded = create_classifier(ClassifierSettings(name="resnet8x4", weights=str(path)), 5, (32, 32))
    assert torch.equal(loaded.stage1[0].residual[0].weight, network.stage1[0].residual[0].weight)


def test_the_file_is_the_only_one(tmp_path):
    save(tmp_path / "new" / "run", describe("resnet8x4"))
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["model.safetensors"]


def test_weights_of_another_network_are_refused(tmp_path):
    path, network = save(tmp_path, describe("resnet20"))
    save_described(network, describe("resnet56").model_dump_json(), path)
    with pytest.raises(UserError, match=r"safetensors: .* missing, 'stage1.3.residual.0.weight' f"):
        nas.load(path)


def test_a_file_of_somebody_else_is_refused(tmp_path):
    path, _ = save(tmp_path, describe("resnet8x4"))
    save_file(load_file(path), path)
    for read in (nas.load, nas.describe, load_classifier):
        with pytest.raises(UserError, match="no description of a network"):
            read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"no network there; a folder with one holds model\.safetensors"
    ):
        load_classifier(tmp_path)


def test_an_unknown_key_of_a_description_is_named(tmp_path):
    path, network = save(tmp_path, describe("resnet8x4"))
    text = describe("resnet8x4").model_dump_json().replace('"mean"', '"means"')
    save_described(network, text, path)
    with pytest.raises(UserError, match=r"unknown key 'means'; did you mean 'mean'"):
        nas.load(path)
