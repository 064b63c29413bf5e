from __future__ import annotations

import pytest
import torch
from torch import nn

import search_spaces
from nas.errors import UserError
from nas.kinds import kind_named
from nas.kinds.teacher import load_teacher
from nas.vision_libraries import timm

CPU = torch.device("cpu")
KIND = kind_named("segmentation")
SPACE = search_spaces.create("fastnas")


class Constant(nn.Module):
    """The same logits for every pixel of every image."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return self.logits.view(1, -1, 1, 1).repeat(len(images), 1, *images.shape[-2:])


def one_class(index):
    return Constant([5.0 if number == index else 0.0 for number in range(11)])


class Colours(nn.Module):
    """Random classes."""

    def forward(self, images):
        generator = torch.Generator().manual_seed(0)
        return torch.randn(len(images), 11, *images.shape[-2:], generator=generator)


def check(teacher, faces):
    card = KIND.score(teacher, faces, "validation", CPU)
    return KIND.check_teacher(teacher, card, faces, CPU)


@pytest.mark.parametrize("teacher", [one_class(0), one_class(4), Colours()])
def test_a_teacher_that_guesses_is_refused(faces, teacher):
    # Chance shares one among the 11 classes that occur.
    with pytest.raises(UserError, match=r"no better than chance .*mean F1 0\.\d+.*0\.091.*train"):
        check(teacher, faces)


@pytest.mark.parametrize("value", [0.0, 3.0, float("nan"), float("inf")])
def test_constant_or_infinite_logits_are_refused(faces, value):
    with pytest.raises(UserError, match="logits are constant or not finite"):
        check(Constant([value] * 11), faces)


def test_a_trained_teacher_passes_with_a_remark(faces, teacher_file):
    teacher = load_teacher(teacher_file, faces, CPU)
    assert teacher.card.macro["f1"] > 1 / 11
    assert teacher.remark.startswith(
        f"mean F1 {teacher.card.macro['f1']:.3f}, mean IoU {teacher.card.macro['iou']:.3f} on "
        "validation (chance 0.091); logits 11x32x32, mean "
    )


def check_evaluation(faces, settings):
    KIND.check_evaluation(faces, settings, SPACE, CPU)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": {"name": "nope"}}, "encoder 'nope'"),
        ({"encoder": {"weights": "none.safetensors"}}, "none.safetensors: not a readable"),
        (
            {
                "distillation": {"enabled": True},
                "teacher": {"encoder": {"name": "nope", "weights": "none"}},
            },
            "'nope'",
        ),
        ({"distillation": {"enabled": True}, "teacher": {"run": "nowhere"}}, "teacher nowhere"),
    ],
    ids=["encoder", "weights", "teacher", "run"],
)
def test_networks_that_cannot_be_made_are_refused_before_anything_is_trained(
    faces, make_settings, changes, message
):
    with pytest.raises(UserError, match=message):
        check_evaluation(faces, make_settings(**changes))


def test_the_check_of_networks_does_not_ask_the_hub(
    faces, make_settings, teacher_settings, monkeypatch
):
    asked = []
    create = timm.create_model

    def record(name, pretrained, **options):
        asked.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", record)
    hub = {"name": "lcnet_035", "weights": "imagenet"}
    settings = make_settings(
        encoder=hub, distillation={"enabled": True}, teacher=teacher_settings | {"encoder": hub}
    )
    check_evaluation(faces, settings)
    assert asked == [False, False]


def test_successive_halving_needs_a_rung(make_settings):
    with pytest.raises(UserError, match=r"--set evaluation\.stage0\.rungs=\[2\], or "):
        KIND.check_rungs(make_settings())
    KIND.check_rungs(make_settings(stage0={"rungs": [1]}))
    KIND.check_rungs(make_settings(stage1={"enabled": True}))


def test_the_encoder_of_candidates_is_that_of_the_search(prepared, space, make_settings, faces):
    candidates = KIND.candidates(space, make_settings(), 11, faces.input_shape, prepared)
    bare = KIND.candidates(space, make_settings(), 11, faces.input_shape)
    genotype = space.parse("[[8,[0,0,5,2]],[[3,2],[3,0]]]")
    expected = prepared.encoder.state_dict()
    for one, same in ((candidates, True), (bare, False)):
        found = one.network(genotype).encoder.state_dict()
        assert all(torch.equal(found[key], value) for key, value in expected.items()) == same


def test_a_retraining_starts_from_the_encoder_of_the_search(
    prepared, space, make_settings, faces, genotypes
):
    found = KIND.found(space, genotypes.first, make_settings())
    network = KIND.untrained(found, faces, prepared)
    assert len(network.decoder.auxiliary_heads) == 2
    expected = prepared.encoder.state_dict()
    encoder = network.encoder.state_dict()
    assert all(torch.equal(encoder[key], value) for key, value in expected.items())
    assert len(KIND.deployed(network).decoder.auxiliary_heads) == 0


def test_the_warm_up_trains_the_decoder_alone(prepared, space, make_settings, faces, genotypes):
    network = KIND.untrained(KIND.found(space, genotypes.first, make_settings()), faces, prepared)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    off = make_settings(stage0={"enabled": False}, stage1={"enabled": True})
    for settings, moves in ((off, False), (make_settings(), True)):
        KIND.warm_up(network, prepared, settings, 0)
        moved = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
        assert bool(moved) == moves
        assert all(key.startswith("decoder.") for key in moved)
