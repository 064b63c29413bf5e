"""Encoders that learn the maps of a larger backbone."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from nas.errors import UserError
from nas.experiments.pretraining import PretrainingConfig, pretrain
from nas.experiments.pupils import Pupils, StandardisedMaps
from nas.models.encoder import Encoder, EncoderSettings, untrained_encoder
from nas.settings import validate
from nas.training.checkpoint import save_weights
from nas.training.seeding import seeded

IMAGES = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
TEACHER, PUPIL = "mobilenetv3_small_050", "lcnet_035"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Forty coloured squares, half of them in a folder within."""
    folder = tmp_path_factory.mktemp("images")
    generator = torch.Generator().manual_seed(0)
    for number in range(40):
        colours = torch.randint(256, (4, 4, 3), generator=generator, dtype=torch.uint8)
        place = folder / "within" if number % 2 else folder
        place.mkdir(exist_ok=True)
        Image.fromarray(colours.numpy()).resize((40, 40), 0).save(place / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "weights.safetensors"
    save_weights(_rescaled(_encoder(TEACHER)).backbone, path)
    return path


@pytest.fixture
def config(images, teacher):
    return {
        "images": str(images),
        "size": [32, 32],
        "encoders": [PUPIL],
        "teacher": {"name": TEACHER, "weights": str(teacher)},
        "epochs": 3,
        "learning_rate": 0.01,
        "batch_size": 6,
        "device": "cpu",
    }


def run(config, folder, on_epoch=lambda *epoch: None, say=lambda sentence: None):
    return pretrain(
        validate(PretrainingConfig, config, "settings"), folder, on_epoch=on_epoch, say=say
    )


def test_encoders_learn_the_maps_and_can_be_loaded(config, tmp_path):
    history = []
    found = run(
        config | {"epochs": 20}, tmp_path / "run", lambda what, e, epochs: history.append(e)
    )
    assert history[-1].loss < history[0].loss - 0.1
    assert history[-1].score > history[0].score
    assert found.explained == {PUPIL: max(record.score for record in history)}
    encoder = Encoder(EncoderSettings(name=PUPIL, weights=str(found.path / f"{PUPIL}.safetensors")))
    weights = load_file(found.path / f"{PUPIL}.safetensors")
    for key, value in encoder.backbone.state_dict().items():
        assert torch.equal(value, weights[key])


def test_what_tells_nothing_of_the_teacher_has_an_error_of_one():
    """Each channel of the teacher has variance 1, so an adapter that gives 0 explains nothing."""
    teacher = _encoder(TEACHER)
    pupils = Pupils([_encoder(PUPIL)], teacher.channels)
    for parameter in pupils.adapters.parameters():
        nn.init.zeros_(parameter)
    wanted = StandardisedMaps(_rescaled(teacher), IMAGES.split(3))
    assert pupils(IMAGES, wanted(IMAGES)).tolist() == pytest.approx([1.0], abs=1e-3)


def test_a_network_tells_all_of_itself():
    """With the same weights, standardising is all that an adapter has to do."""
    teacher = _rescaled(_encoder(TEACHER))
    pupils = Pupils([teacher], teacher.channels)
    for adapter, maps in zip(pupils.adapters[0], teacher(IMAGES), strict=True):
        scale = maps.var(dim=(0, 2, 3), correction=0).add(1e-5).rsqrt()
        with torch.no_grad():
            adapter.weight.copy_(torch.diag(scale)[:, :, None, None])
            adapter.bias.copy_(-maps.mean(dim=(0, 2, 3)) * scale)
    wanted = StandardisedMaps(teacher, IMAGES.split(3))
    assert pupils(IMAGES, wanted(IMAGES)).item() == pytest.approx(0, abs=1e-5)


def test_the_teacher_is_not_trained():
    teacher = _encoder(TEACHER)
    pupils = Pupils([_encoder(PUPIL)], teacher.channels)
    wanted = StandardisedMaps(teacher, [IMAGES])
    pupils(IMAGES, wanted(IMAGES)).sum().backward()
    assert all(p.grad is not None for p in pupils.parameters())
    assert all(p.grad is None for p in teacher.parameters())


def test_a_training_that_was_killed_ends_as_one_that_was_not(config, tmp_path):
    class KilledError(Exception):
        pass

    def kill(what, record, epochs):
        if record.epoch == 1:
            raise KilledError

    with pytest.raises(KilledError):
        run(config, tmp_path / "killed", kill)
    assert run(config, tmp_path / "killed").explained == run(config, tmp_path / "whole").explained
    name = f"{PUPIL}.safetensors"
    killed, whole = (load_file(tmp_path / run / name) for run in ("killed", "whole"))
    assert all(torch.equal(killed[key], whole[key]) for key in whole)


def test_what_is_finished_is_not_trained_again(config, tmp_path):
    first = run(config, tmp_path / "run")
    again = run(config, tmp_path / "run", on_epoch=lambda *epoch: pytest.fail("trained again"))
    assert again == first


def test_the_images_of_a_task_keep_their_channels(config, tmp_path):
    given = {key: value for key, value in config.items() if key not in ("images", "size")}
    options = {"size": 32, "train": 24, "channels": "grey"}
    found = run(given | {"task": "digits", "task_options": options, "epochs": 1}, tmp_path / "run")
    weights = load_file(found.path / f"{PUPIL}.safetensors")
    assert weights["conv_stem.weight"].shape[1] == 1


def test_what_was_read_is_told(config, tmp_path):
    told = []
    run(config | {"epochs": 1}, tmp_path / "run", say=told.append)
    assert told == [
        "36 images of 32x32 pixels to learn from and 4 apart; took in the folders within it: "
        "20 within"
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "digits"}, "give either a task or a folder of images"),
        ({"encoders": [PUPIL, PUPIL]}, "encoders: one is named twice"),
        ({"encoders": ["own.py:Net"]}, "encoders: name backbones of timm"),
        ({"encoders": ["lcnet_03"]}, "encoder 'lcnet_03'"),
        ({"size": [16, 64]}, "size: must be at least 32 pixels, not [16, 64]"),
        ({"teacher": {"name": TEACHER, "weights": "none"}}, "the teacher needs weights"),
        ({"images": "nowhere"}, "nowhere: there is no such folder of images."),
        ({"augmentation": "strong"}, "no augmentation 'strong'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(config, tmp_path, change, sentence):
    with pytest.raises(UserError) as error:
        run(config | change, tmp_path / "run")
    assert sentence in str(error.value)
    assert not list(tmp_path.glob("run/*.safetensors"))


def test_few_images_are_refused(config, images, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(images.glob("*.png"))[:3]:
        (few / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match="3 images are too few to learn from; give 20 and more"):
        run(config | {"images": str(few)}, tmp_path / "run")


def test_other_settings_need_another_folder(config, tmp_path):
    run(config | {"epochs": 1}, tmp_path / "run")
    with pytest.raises(UserError, match=r"other settings \(epochs\); choose another folder"):
        run(config | {"epochs": 2}, tmp_path / "run")


def test_settings_of_an_attempt_that_failed_may_be_corrected(config, tmp_path):
    wrong = config | {"teacher": {"name": TEACHER, "weights": str(tmp_path / "nowhere")}}
    with pytest.raises(UserError, match="nowhere"):
        run(wrong, tmp_path / "run")
    assert run(config | {"epochs": 1}, tmp_path / "run").explained.keys() == {PUPIL}


def test_a_folder_that_is_not_there_does_not_wait_for_the_teacher(config, tmp_path):
    wrong = {"images": "nowhere", "teacher": {"name": TEACHER, "weights": "missing"}}
    with pytest.raises(UserError, match="no such folder of images"):
        run(config | wrong, tmp_path / "run")


def _encoder(name):
    with seeded(0, name):
        return untrained_encoder(EncoderSettings(name=name)).eval()


def _rescaled(encoder):
    """The same encoder with maps of about variance 1, which random weights make small."""
    with torch.no_grad():
        encoder.train()
        for _ in range(40):
            encoder(IMAGES)
    return encoder.eval()
