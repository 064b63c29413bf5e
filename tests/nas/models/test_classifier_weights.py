from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.errors import UserError
from nas.models.classifiers import ClassifierSettings, create_classifier

LIGHT = "mobilenetv2_035"
IMAGENET = (
    Path(__file__).parents[4]
    / "shared"
    / "data"
    / "mobilenetv2_100_imagenet"
    / "mobilenetv2_100.safetensors"
)


def make(name=LIGHT, classes=10, size=(32, 32), weights="none", **settings):
    chosen = ClassifierSettings(name=name, weights=str(weights), **settings)
    return create_classifier(chosen, classes, size).eval()


def save(folder, state):
    save_file(dict(state), folder / "trained.safetensors")
    return folder / "trained.safetensors"


@pytest.fixture(scope="module")
def trained():
    """A network whose statistics are not those of a new one."""
    network = make().train()
    network(torch.randn(4, 3, 32, 32))
    return network.eval()


def test_weights_of_a_file_give_the_same_logits(tmp_path, trained):
    loaded = make(weights=save(tmp_path, trained.state_dict()))
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded(images), trained(images))


def test_a_classifier_of_other_classes_is_passed_over(tmp_path, trained):
    loaded = make(classes=7, weights=save(tmp_path, trained.state_dict()))
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded.forward_features(images), trained.forward_features(images))
    assert loaded(images).shape == (2, 7)


def test_a_file_without_classifier_gives_the_rest(tmp_path, trained):
    state = {k: v for k, v in trained.state_dict().items() if not k.startswith("classifier")}
    loaded = make(weights=save(tmp_path, state))
    assert torch.equal(loaded.conv_head.weight, trained.conv_head.weight)


def test_both_classifiers_of_a_distilled_network_are_passed_over(tmp_path):
    name = "deit_tiny_distilled_patch16_224"
    source = make(name, classes=5)
    loaded = make(name, classes=3, weights=save(tmp_path, source.state_dict()))
    assert torch.equal(loaded.dist_token, source.dist_token)
    assert loaded.head_dist.weight.shape[0] == 3


def test_the_first_missing_tensor_is_named(tmp_path, trained):
    state = dict(trained.state_dict())
    del state["bn1.weight"], state["conv_head.weight"]
    with pytest.raises(UserError, match=r"weights .*: 2 of \d+ tensors .* 'bn1.weight' first"):
        make(weights=save(tmp_path, state))


def test_the_first_tensor_of_another_shape_is_named(tmp_path, trained):
    state = trained.state_dict() | {"bn1.weight": torch.ones(3)}
    with pytest.raises(UserError, match=r"'bn1.weight' has shape \(3,\), the network has \(16,\)"):
        make(weights=save(tmp_path, state))


def test_weights_of_a_deeper_network_are_refused(tmp_path):
    deeper = save(tmp_path, make("resnet56").state_dict())
    with pytest.raises(UserError, match=r"216 tensors are not .*, 'stage1.3.residual.0.weight' f"):
        make("resnet20", weights=deeper)
    assert make("resnet56", weights=deeper).stage1[3].residual[0].weight.shape == (16, 16, 3, 3)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.safetensors: not a readable safetensors file"):
        make(weights=tmp_path / "none.safetensors")


@pytest.mark.parametrize(("stem", "kernel"), [("standard", 7), ("small", 3)])
@pytest.mark.parametrize("side", [32, 96])
def test_auto_takes_the_stem_that_the_weights_have(tmp_path, stem, kernel, side):
    source = make("resnet18", stem=stem)
    loaded = make("resnet18", size=(side, side), weights=save(tmp_path, source.state_dict()))
    assert loaded.conv1.kernel_size == (kernel, kernel)
    assert isinstance(loaded.maxpool, type(source.maxpool))
    assert torch.equal(loaded.conv1.weight, source.conv1.weight)


def test_a_small_stem_is_refused_where_the_weights_have_another_kernel(tmp_path):
    path = save(tmp_path, make("resnet18", stem="standard").state_dict())
    with pytest.raises(UserError, match=r"kernel of 3 x 3, the '.*' weights have one of 7 x 7"):
        make("resnet18", stem="small", weights=path)


def test_a_standard_stem_is_refused_where_the_weights_have_another_kernel(tmp_path):
    path = save(tmp_path, make("resnet18", stem="small").state_dict())
    with pytest.raises(UserError, match=r"'conv1.weight' has shape \(64, 3, 3, 3\), the network"):
        make("resnet18", stem="standard", weights=path)


def test_a_stem_that_only_changes_the_stride_keeps_the_weights(tmp_path):
    source = make(stem="standard")
    loaded = make(weights=save(tmp_path, source.state_dict()))
    assert loaded.conv_stem.stride == (1, 1)
    assert torch.equal(loaded.conv_stem.weight, source.conv_stem.weight)


@pytest.mark.skipif(not IMAGENET.exists(), reason="the ImageNet weights are not on this machine")
def test_real_imagenet_weights_are_loaded():
    options = {"pad_type": "same"}
    found = load_file(IMAGENET)
    whole = make("mobilenetv2_100", 1000, (224, 224), IMAGENET, options=options)
    assert torch.equal(whole.classifier.weight, found["classifier.weight"])
    # A plain image of one colour is something to a trained network, in a few classes at most.
    assert whole(torch.zeros(1, 3, 224, 224)).softmax(1).max() > 0.02
    part = make("mobilenetv2_100", 10, (64, 64), IMAGENET, options=options)
    assert torch.equal(part.conv_head.weight, found["conv_head.weight"])
    assert part.classifier.weight.shape == (10, 1280)
    assert part.conv_stem.stride == (1, 1)
