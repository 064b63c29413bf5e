from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.errors import UserError
from nas.models.encoder import Encoder, EncoderSettings, fingerprint

SMALL = "mobilenetv2_035"
IMAGENET = (
    Path(__file__).parents[4]
    / "shared"
    / "data"
    / "mobilenetv2_100_imagenet"
    / "mobilenetv2_100.safetensors"
)


def make(weights="none", name=SMALL, **options):
    return Encoder(EncoderSettings(name=name, weights=str(weights), options=options)).eval()


@pytest.fixture(scope="module")
def trained():
    """An encoder whose statistics are not those of a new one."""
    encoder = make().train()
    encoder(torch.randn(4, 3, 32, 32))
    return encoder.eval()


def state_of(encoder):
    return {key: value.clone() for key, value in encoder.backbone.state_dict().items()}


def save(tmp_path, state):
    save_file(state, tmp_path / "encoder.safetensors")
    return tmp_path / "encoder.safetensors"


def test_weights_of_a_file_come_back(tmp_path, trained):
    loaded = make(save(tmp_path, state_of(trained)))
    images = torch.randn(1, 3, 64, 64)
    for found, expected in zip(loaded(images), trained(images), strict=True):
        assert torch.equal(found, expected)
    assert fingerprint(loaded.state_dict()) == fingerprint(trained.state_dict())


def test_the_classifier_of_a_file_is_passed_over(tmp_path, trained):
    state = state_of(trained) | {"classifier.weight": torch.zeros(1000, 1280)}
    loaded = make(save(tmp_path, state))
    assert fingerprint(loaded.state_dict()) == fingerprint(trained.state_dict())


def test_a_file_may_lack_the_counters_of_batch_norm(tmp_path, trained):
    state = {k: v for k, v in state_of(trained).items() if "num_batches_tracked" not in k}
    assert torch.equal(
        make(save(tmp_path, state)).backbone.bn1.running_mean, trained.backbone.bn1.running_mean
    )


def test_half_precision_weights_are_loaded_as_float32(tmp_path, trained):
    state = {k: v.half() if v.is_floating_point() else v for k, v in state_of(trained).items()}
    weight = make(save(tmp_path, state)).backbone.conv_stem.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight.half(), state["conv_stem.weight"])


def test_a_missing_tensor_is_named(tmp_path, trained):
    state = state_of(trained)
    del state["blocks.0.0.bn1.weight"]
    with pytest.raises(UserError, match=r"encoder\.safetensors: 1 of \d+ .*'blocks.0.0.bn1.weight"):
        make(save(tmp_path, state))


def test_a_tensor_of_another_shape_is_named_with_both_shapes(tmp_path, trained):
    state = state_of(trained) | {"conv_stem.weight": torch.zeros(1, 3, 3, 3)}
    with pytest.raises(UserError, match=r"'conv_stem.weight' has shape \(1, 3.*has \(16, 3, 3, 3"):
        make(save(tmp_path, state))


def test_weights_of_another_backbone_are_refused(tmp_path, trained):
    with pytest.raises(UserError, match=r"encoder\.safetensors"):
        make(save(tmp_path, state_of(trained)), name="mobilenetv2_050")


@pytest.mark.parametrize("content", [None, b"", b"no safetensors"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "encoder.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"encoder\.safetensors: not a readable safetensors file"):
        make(path)


def test_the_fingerprint_follows_every_weight_and_buffer(trained):
    state = trained.state_dict()
    original = fingerprint(state)
    assert fingerprint(dict(reversed(state.items()))) == original
    for key in ("backbone.conv_stem.weight", "backbone.bn1.running_var"):
        changed = {k: v.clone() for k, v in state.items()}
        changed[key].view(-1)[-1] += 1e-3
        assert fingerprint(changed) != original
    counter = "backbone.bn1.num_batches_tracked"
    assert fingerprint(state | {counter: state[counter] + 1}) != original


@pytest.mark.skipif(not IMAGENET.exists(), reason="the ImageNet weights are not on this machine")
def test_real_imagenet_weights_are_loaded():
    encoder = make(IMAGENET, name="mobilenetv2_100", pad_type="same")
    found, expected = encoder.backbone.state_dict(), load_file(IMAGENET)
    shared = [key for key in found if key in expected]
    assert all(torch.equal(found[key], expected[key]) for key in shared)
    assert {key for key in found if key not in expected} <= {
        key for key in found if key.endswith("num_batches_tracked")
    }
    maps = encoder(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    # Statistics that fit the weights keep the maps in the range of a trained network.
    assert all(0.1 < m.std() < 10 for m in maps)
