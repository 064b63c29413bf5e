from __future__ import annotations

import random

import pytest
import torch

import search_spaces
from nas.kinds.segmentation import preparation
from nas.kinds.segmentation.preparation import prepare, prepare_encoder, prepare_encoders
from nas.models.encoder import Encoder, EncoderSettings, fingerprint
from nas.models.segmentation import resize
from nas.models.weights import save_tensors
from nas.training.checkpoint import save_weights
from nas.training.images import Normaliser
from search_spaces.space import EncoderCut

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
    monkeypatch.setattr(Encoder, "forward", never)
    again = prepare(faces, make_settings(), tmp_path, CPU, 0)
    assert_equal_maps(again.train, first.train)
    assert_equal_maps(again.validation, first.validation)


def test_maps_in_bfloat16_have_caches_of_their_own_and_are_given_in_float32(
    faces, make_settings, tmp_path
):
    first = prepare(faces, make_settings(), tmp_path, CPU, 0)
    halved = make_settings(stage0={"maps": "bfloat16"})
    second = prepare(faces, halved, tmp_path, CPU, 0)
    assert len(feature_files(tmp_path)) == 4
    found, wanted = (one.train.gather(slice(None)) for one in (second, first))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32 and one.shape == other.shape
        # Eight bits of a number are kept, the first of which is always set.
        torch.testing.assert_close(one, other, rtol=2**-8, atol=0)
        assert not torch.equal(one, other)


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


def test_the_logits_of_a_teacher_are_kept_beside_the_maps(taught, prepared, cache):
    assert prepared.train.teacher is None
    assert len([name for name in feature_files(cache) if "-train-" in name]) == 1
    assert len(list(cache.glob("logits-train-*.safetensors"))) == 1
    assert len([name for name in feature_files(cache) if "-validation-" in name]) == 1
    assert_equal_maps(taught.train, prepared.train)


@pytest.fixture(scope="module")
def several(faces, make_settings, teacher_file, tmp_path_factory):
    """What candidates behind two cuts of two encoders share, and where it was kept."""
    folder = tmp_path_factory.mktemp("several")
    settings = make_settings(
        encoder={"name": None},
        distillation={"enabled": True},
        teacher={"run": str(teacher_file)},
    )
    space = search_spaces.create("small", encoders=["lcnet_035", "ghostnet_050"], strides=[8, 16])
    return prepare_encoders(faces, settings, folder, CPU, 0, space), folder


def test_cuts_of_an_encoder_share_its_weights_and_its_maps(several, faces):
    prepared, folder = several
    deep, shallow = (prepared.behind[cut] for cut in prepared.space.cuts[1::-1])
    assert (deep.encoder.strides, shallow.encoder.strides) == ((4, 8, 16), (4, 8))
    assert shallow.train.maps[1] is deep.train.maps[1]
    weights = deep.encoder.state_dict()
    for name, weight in shallow.encoder.state_dict().items():
        assert torch.equal(weight, weights[name])
    images = Normaliser(faces.mean, faces.std)(faces.dataset("train").images[:4], CPU)
    with torch.inference_mode():
        found = shallow.encoder(images)
    for one, cached in zip(found, shallow.train.gather(slice(0, 4)), strict=True):
        torch.testing.assert_close(one, cached, rtol=1e-4, atol=1e-5)
    assert len([name for name in feature_files(folder) if "-train-" in name]) == 2


def test_encoders_share_the_logits_of_the_teacher(several):
    prepared, folder = several
    lcnet, ghostnet = (prepared.behind[cut] for cut in prepared.space.cuts[::2])
    assert lcnet.encoder.channels != ghostnet.encoder.channels
    assert lcnet.train.targets((4, 4))[1] is ghostnet.train.targets((4, 4))[1]
    assert len(list(folder.glob("logits-train-*.safetensors"))) == 1


def test_a_candidate_has_what_is_behind_its_cut(several):
    prepared, _ = several
    genotype = prepared.space.sample(random.Random(0))
    assert prepared.of(genotype).encoder.strides == prepared.space.cut(genotype).strides


def test_a_folder_has_the_weights_of_each_encoder(faces, make_settings, tmp_path):
    for name in ("lcnet_035", "ghostnet_050"):
        saved = Encoder(EncoderSettings(name=name, weights="none"))
        save_tensors(saved.backbone, tmp_path / f"{name}.safetensors")
    settings = make_settings(encoder={"name": None, "weights": str(tmp_path)})
    loaded = prepare_encoder(faces, settings, tmp_path, CPU, 0, cut=EncoderCut((4, 8), name))
    expected = saved.cut((4, 8))
    assert fingerprint(loaded.state_dict()) == fingerprint(expected.state_dict())


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


def test_given_weights_are_fine_tuned_on_the_task_once(faces, make_settings, tmp_path, monkeypatch):
    start = prepare(faces, make_settings(), tmp_path, CPU, 0).encoder
    path = tmp_path / "given.safetensors"
    save_weights(start.backbone, path)
    tuning = {"weights": str(path), "fine_tuning_epochs": 2}
    settings = make_settings(encoder=tuning, pretraining=SHORT | {"epochs": 7})
    told = []
    tuned = prepare(faces, settings, tmp_path, CPU, 0, lambda *news: told.append(news[2])).encoder
    assert told == [2, 2]
    before, after = start.state_dict(), tuned.state_dict()
    name = "backbone.conv_stem.weight"
    distance = (after[name] - before[name]).abs().max()
    # It goes on from these weights, and does not begin anew.
    assert 0 < distance < before[name].abs().mean()

    # Other weights in the same file are another start.
    save_weights(tuned.backbone, path)
    again = prepare(faces, settings, tmp_path, CPU, 0).encoder
    assert len(list(tmp_path.glob("encoder-*"))) == 2
    assert fingerprint(again.state_dict()) != fingerprint(tuned.state_dict())
    monkeypatch.setattr(preparation, "fit", never)
    kept = prepare(faces, settings, tmp_path, CPU, 0).encoder
    assert fingerprint(kept.state_dict()) == fingerprint(again.state_dict())


def test_fine_tuning_keeps_more_than_a_training_from_random_weights(make_settings):
    settings = make_settings(
        encoder={"weights": "imagenet", "fine_tuning_epochs": 4}, pretraining={"batch_size": 4}
    )
    training = settings.encoder_training
    assert (training.epochs, training.batch_size) == (4, 4)
    assert training.encoder_learning_rate < settings.pretraining.encoder_learning_rate
    assert make_settings(encoder={"weights": "imagenet"}).encoder_training is None
