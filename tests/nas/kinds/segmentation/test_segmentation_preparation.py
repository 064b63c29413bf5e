from __future__ import annotations

import pytest
import torch

from nas.kinds.segmentation import preparation
from nas.kinds.segmentation.preparation import prepare
from nas.models.encoder import Encoder, EncoderSettings, fingerprint
from nas.models.segmentation import resize
from nas.training.images import Normaliser

CPU = torch.device("cpu")
SHORT = {"epochs": 2, "batch_size": 12, "augmentation": "none"}


class Interrupted(BaseException):
    """What a signal is to a test."""


def never(*args, **options):
    raise AssertionError("this must not be computed again")


def feature_files(folder):
    return {path.name for path in folder.glob("features-*.safetensors")}


def assert_equal_maps(found, expected):
    for one, other in zip(found.maps, expected.maps, strict=True):
        assert torch.equal(one, other)


def test_cached_maps_are_those_of_the_encoder_in_the_order_of_the_images(prepared, faces):
    normalise = Normaliser(faces.mean, faces.std)
    for split, features in (("train", prepared.train), ("validation", prepared.validation)):
        data = faces.dataset(split)
        assert len(features) == len(data)
        assert torch.equal(features.masks, data.targets)
        with torch.inference_mode():
            expected = prepared.encoder(normalise(data.images, CPU))
        for found, wanted in zip(features.gather(slice(None)), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_cached_logits_are_those_of_the_teacher_at_the_finest_stride(taught, faces):
    # A teacher of another resolution would teach with shifted or much larger logits.
    normalise = Normaliser(faces.mean, faces.std)
    images = faces.dataset("train").images
    with torch.inference_mode():
        logits = taught.teacher.network(normalise(images, CPU))
    assert logits.shape == (24, 11, 32, 32)
    expected = resize(logits, (8, 8)).permute(0, 2, 3, 1)
    assert taught.train.teacher.shape == (24, 8, 8, 11)
    torch.testing.assert_close(taught.train.teacher, expected, rtol=1e-4, atol=1e-4)
    assert taught.validation.teacher is None


def test_a_second_preparation_computes_nothing(faces, make_settings, tmp_path, monkeypatch):
    first = prepare(faces, make_settings(), tmp_path, CPU, 0)
    monkeypatch.setattr(preparation, "compute_maps", never)
    again = prepare(faces, make_settings(), tmp_path, CPU, 0)
    assert_equal_maps(again.train, first.train)
    assert_equal_maps(again.validation, first.validation)


def test_other_weights_have_caches_of_their_own(faces, make_settings, tmp_path):
    first = prepare(faces, make_settings(), tmp_path, CPU, 0)
    files = feature_files(tmp_path)
    second = prepare(faces, make_settings(), tmp_path, CPU, 1)
    assert len(feature_files(tmp_path)) == 2 * len(files) == 4
    assert not torch.equal(first.train.maps[0], second.train.maps[0])


def test_other_options_of_the_encoder_have_caches_of_their_own(faces, make_settings, tmp_path):
    # Padding changes the maps but no weight.
    first = prepare(faces, make_settings(), tmp_path, CPU, 0)
    padded = make_settings(encoder={"options": {"pad_type": "same"}})
    second = prepare(faces, padded, tmp_path, CPU, 0)
    assert fingerprint(first.encoder.state_dict()) == fingerprint(second.encoder.state_dict())
    assert not torch.equal(first.train.maps[0], second.train.maps[0])


def test_a_teacher_has_caches_of_its_own(taught, prepared, cache):
    assert prepared.train.teacher is None
    assert len([name for name in feature_files(cache) if "-train-" in name]) == 2
    assert len([name for name in feature_files(cache) if "-validation-" in name]) == 1
    assert_equal_maps(taught.train, prepared.train)


def test_without_stage_0_nothing_is_cached(faces, make_settings, tmp_path):
    settings = make_settings(stage0={"enabled": False}, stage1={"enabled": True})
    parts = prepare(faces, settings, tmp_path, CPU, 0)
    assert (parts.train, parts.validation) == (None, None)
    assert feature_files(tmp_path) == set()


def test_without_distillation_there_is_no_teacher(prepared):
    assert prepared.teacher is None


def test_all_that_is_shared_evaluates(taught):
    assert not any(module.training for module in taught.teacher.network.modules())
    assert not any(module.training for module in taught.encoder.modules())


def test_the_encoder_is_trained_on_the_task_once(faces, make_settings, tmp_path, monkeypatch):
    settings = make_settings(encoder={"weights": "task"}, pretraining=SHORT)
    told = []
    first = prepare(
        faces, settings, tmp_path, CPU, 0, lambda *news: told.append((news[0], news[1].epoch))
    )
    assert told == [("encoder", 0), ("encoder", 1)]
    assert not list(tmp_path.rglob("checkpoint.pt"))
    random = prepare(faces, make_settings(), tmp_path, CPU, 0).encoder
    assert fingerprint(first.encoder.state_dict()) != fingerprint(random.state_dict())

    monkeypatch.setattr(preparation, "fit", never)
    again = prepare(faces, settings, tmp_path, CPU, 0)
    assert fingerprint(again.encoder.state_dict()) == fingerprint(first.encoder.state_dict())


def test_an_encoder_of_another_training_is_trained_anew(faces, make_settings, tmp_path):
    states = set()
    for change in ({}, {"learning_rate": 0.1}):
        settings = make_settings(
            encoder={"weights": "task"}, pretraining=SHORT | {"epochs": 1} | change
        )
        states.add(fingerprint(prepare(faces, settings, tmp_path, CPU, 0).encoder.state_dict()))
    assert len(states) == len(list(tmp_path.glob("encoder-*"))) == 2


def test_an_interrupted_training_of_the_encoder_goes_on(faces, make_settings, tmp_path):
    settings = make_settings(encoder={"weights": "task"}, pretraining=SHORT)

    def interrupt(what, record, epochs):
        raise Interrupted

    with pytest.raises(Interrupted):
        prepare(faces, settings, tmp_path / "cut", CPU, 0, interrupt)
    cut = prepare(faces, settings, tmp_path / "cut", CPU, 0)
    whole = prepare(faces, settings, tmp_path / "whole", CPU, 0)
    assert fingerprint(cut.encoder.state_dict()) == fingerprint(whole.encoder.state_dict())


def test_the_trained_encoder_can_serve_other_searches(faces, make_settings, tmp_path):
    settings = make_settings(encoder={"weights": "task"}, pretraining=SHORT | {"epochs": 1})
    trained = prepare(faces, settings, tmp_path, CPU, 0).encoder
    (path,) = tmp_path.glob("encoder-*/*.safetensors")
    loaded = Encoder(EncoderSettings(name="lcnet_035", weights=str(path)))
    assert fingerprint(loaded.state_dict()) == fingerprint(trained.state_dict())
