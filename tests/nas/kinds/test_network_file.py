from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import nas
from nas.errors import UserError
from nas.kinds.network_file import NetworkDescription, describe, load, save_network
from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.models.encoder import EncoderSettings
from nas.models.searched_classifier import SearchedClassifierSettings
from nas.models.segmenters import SearchedSegmenterSettings, SegmenterSettings
from nas.models.weights import save_described

LIGHT = "mobilenetv2_035"
SEARCHED_SEGMENTER = SearchedSegmenterSettings(
    space="fastnas",
    space_options={"branches": 2, "cells": 1, "width": 8},
    genotype="[[2,[0,1,3,4]],[[1,0]]]",
    encoder=EncoderSettings(name="mobilenetv3_small_050", weights="imagenet"),
)
SEGMENTER = SegmenterSettings(name="lcnet_035", weights="imagenet", strides=(4, 8))
SEARCHED_CLASSIFIER = SearchedClassifierSettings(
    space="nasbench201",
    space_options={"channels": 4, "cells": 1},
    genotype="|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
)


def classifier(name=LIGHT, **settings):
    return ClassifierSettings(name=name, **settings)


def describing(network, size=(32, 32)):
    segments = isinstance(network, SegmenterSettings | SearchedSegmenterSettings)
    return NetworkDescription(
        kind="segmentation" if segments else "classification",
        network=network,
        classes=("cat", "dog", "owl"),
        input_size=size,
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.2, 0.1),
    )


def save(folder, description, network=None):
    network = network or description.build()
    network.train()(torch.randn(4, 3, *description.input_size))
    path = folder / "model.safetensors"
    save_network(network, description, path)
    return path, network.eval()


@pytest.mark.parametrize(
    "network",
    [
        SEARCHED_SEGMENTER,
        SEGMENTER,
        SEARCHED_CLASSIFIER,
        classifier(stem="auto"),
        classifier(stem="standard"),
        classifier("resnet10t", stem="small"),
        classifier("resnet18", stem="auto"),
        classifier("convnext_atto", stem="auto"),
        classifier("resnet8x4", stem="small"),
        classifier("WRN-16-2", stem="auto"),
    ],
    ids=lambda network: f"{getattr(network, 'name', network)}",
)
def test_a_loaded_network_gives_the_logits_of_the_saved_one(tmp_path, network):
    path, saved = save(tmp_path, describing(network))
    images = torch.randn(2, 3, 32, 32)
    for loaded in (load(path), nas.load(path), nas.load(str(tmp_path))):
        assert not any(module.training for module in loaded.modules())
        assert type(loaded) is type(saved)
        with torch.inference_mode():
            assert torch.equal(loaded(images), saved(images))


@pytest.mark.parametrize(
    "network",
    [SEARCHED_SEGMENTER, SEGMENTER, SEARCHED_CLASSIFIER, classifier("resnet8x4")],
    ids=["searched segmenter", "segmenter", "searched classifier", "classifier"],
)
def test_a_network_says_how_it_is_built_and_fed(tmp_path, network):
    description = describing(network, (32, 48))
    save(tmp_path, description)
    assert nas.describe(tmp_path) == nas.describe(tmp_path / "model.safetensors") == description
    assert description.input_shape == (1, 3, 32, 48)


def test_a_description_is_that_of_the_task(faces, digits):
    for task, network in ((faces, SEGMENTER), (digits, classifier())):
        description = NetworkDescription.of(network, task)
        assert (description.kind, description.classes) == (task.kind, tuple(task.classes))
        assert description.input_shape == task.input_shape


def test_the_description_comes_back_with_the_stem_that_was_built(tmp_path):
    save(tmp_path, describing(classifier(options={"drop_rate": 0.1})))
    expected = describing(classifier(options={"drop_rate": 0.1}, stem="small"))
    assert nas.describe(tmp_path) == expected


def test_a_network_from_pretrained_weights_is_loaded_without_them(tmp_path):
    weights = tmp_path / "pretrained.safetensors"
    source = create_classifier(ClassifierSettings(name="resnet18", stem="standard"), 9, (32, 32))
    save_file(source.state_dict(), weights)
    description = describing(classifier("resnet18", weights=str(weights)))
    network = create_classifier(description.network, 3, (32, 32))
    path, network = save(tmp_path, description, network)
    weights.unlink()
    # Without the weights, auto would have given the small stem.
    assert nas.describe(path).network.stem == "standard"
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(nas.load(path)(images), network(images))


def test_a_saved_network_serves_as_weights_of_another(tmp_path):
    path, network = save(tmp_path, describing(classifier("resnet8x4")))
    loaded = create_classifier(ClassifierSettings(name="resnet8x4", weights=str(path)), 5, (32, 32))
    assert torch.equal(loaded.stage1[0].residual[0].weight, network.stage1[0].residual[0].weight)


def test_the_file_is_the_only_one(tmp_path):
    save(tmp_path / "new" / "run", describing(classifier("resnet8x4")))
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["model.safetensors"]


def test_a_file_of_a_searched_segmentation_network_without_a_kind_still_loads(tmp_path):
    description = describing(SEARCHED_SEGMENTER)
    path, network = save(tmp_path, description)
    former = {
        **SEARCHED_SEGMENTER.model_dump(mode="json"),
        "classes": ["cat", "dog", "owl"],
        "input_size": [32, 32],
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.2, 0.1],
    }
    save_described(network, json.dumps(former), path)
    assert describe(path) == description
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(load(path)(images), network(images))


def test_weights_of_another_network_are_refused(tmp_path):
    path, network = save(tmp_path, describing(classifier("resnet20")))
    save_described(network, describing(classifier("resnet56")).model_dump_json(), path)
    with pytest.raises(UserError, match=r"safetensors: .* missing, 'stage1.3.residual.0.weight' f"):
        nas.load(path)


def test_a_file_of_somebody_else_is_refused(tmp_path):
    path, _ = save(tmp_path, describing(classifier("resnet8x4")))
    save_file(load_file(path), path)
    for read in (nas.load, nas.describe):
        with pytest.raises(UserError, match="no description of a network; was it made by nas retr"):
            read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.safetensors: not a readable safetensors file"):
        nas.load(tmp_path / "none.safetensors")
    with pytest.raises(
        UserError, match=r"no network there; a folder with one holds model\.safetensors"
    ):
        nas.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mean"', '"means"', "unknown key 'means'; did you mean 'mean'"),
        ('"classification"', '"clasification"', "no kind of task 'clasification'; did you mean"),
        ('"stem"', '"stam"', "unknown key '.*stam'; did you mean 'stem'"),
    ],
)
def test_a_mistake_in_a_description_is_named(tmp_path, old, new, message):
    path, network = save(tmp_path, describing(classifier("resnet8x4")))
    text = describing(classifier("resnet8x4")).model_dump_json().replace(old, new)
    save_described(network, text, path)
    with pytest.raises(UserError, match=message):
        nas.load(path)


def test_importing_nas_imports_no_torch() -> None:
    script = "import sys, nas; dir(nas); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_nas_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = nas.lod
