from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from nas.distillation import TermSettings, create_loss, names
from nas.distillation.places import Places
from nas.distillation.terms import create_term
from nas.errors import UserError
from nas.settings import validate


def places(channels, strides=(4, 8, 16), size=32, classes=10, vector=None):
    """A network with a module ``s4`` at stride 4 and so on, and perhaps the vector ``v``."""
    shapes = {f"s{s}": (1, channels, size // s, size // s) for s in strides}
    if vector is not None:
        shapes["v"] = (1, vector)
    return Places(
        paths=frozenset(shapes),
        shapes=shapes,
        strides={s: f"s{s}" for s in strides},
        vector=None if vector is None else "v",
        logits=(1, classes),
        repeated=frozenset(),
    )


def paths_of(term):
    return term.student_paths, term.teacher_paths


NETWORKS = (places(4), places(6))


def created(method, networks=NETWORKS, kind="classification", **settings):
    return create_term(TermSettings(method=method, **settings), *networks, kind)


@pytest.mark.parametrize("method", ["soft_target", "logit_mse", "dkd", "dist"])
def test_losses_on_logits_take_the_logits(method):
    assert paths_of(created(method)) == (("",), ("",))


@pytest.mark.parametrize("method", ["hint", "mgd", "feature_mse", "nst"])
def test_losses_on_features_take_the_coarsest_map_of_one_size(method):
    assert paths_of(created(method)) == (("s16",), ("s16",))
    networks = places(4, (2, 4, 8, 16)), places(4, (2, 4))
    assert paths_of(created(method, networks)) == (("s4",), ("s4",))


@pytest.mark.parametrize("method", ["attention", "similarity"])
def test_attention_and_similarity_take_the_two_coarsest_strides(method):
    networks = places(4, (2, 4, 8)), places(4, (4, 8, 16))
    assert paths_of(created(method, networks)) == (("s4", "s8"), ("s4", "s8"))


def test_the_coarsest_maps_belong_together_where_no_size_is_common():
    networks = places(4, (8,)), places(6, (4, 16))
    assert paths_of(created("attention", networks)) == (("s8",), ("s16",))
    networks = places(4, (2, 8)), places(6, (4, 16, 32))
    assert paths_of(created("attention", networks)) == (("s2", "s8"), ("s16", "s32"))


def test_a_loss_on_positions_needs_maps_of_one_size():
    networks = places(4, (8,)), places(6, (4, 16))
    with pytest.raises(ValueError, match="student and teacher have none: 4x4 and 8x8, 2x2; give"):
        created("mgd", networks)


def test_a_loss_that_takes_vectors_has_them_where_there_are_no_maps_of_one_size():
    networks = places(4, (), vector=5), places(4, vector=7)
    assert paths_of(created("hint", networks)) == (("v",), ("v",))
    assert paths_of(created("similarity", networks)) == (("v",), ("v",))


def test_where_there_is_no_vector_the_last_map_is_averaged_to_one():
    term = created("rkd")
    student, teacher = (torch.rand(5, channels, 2, 2) for channels in (4, 6))
    found = term({"s16": student}, {"s16": teacher})
    expected = create_loss("rkd")(student.mean((2, 3)), teacher.mean((2, 3)))
    assert found.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("method", ["rkd", "mmd"])
def test_losses_on_samples_take_the_vector_before_the_classifier(method):
    term = created(method, (places(4, vector=5), places(4, vector=7)))
    assert paths_of(term) == (("v",), ("v",))
    assert paths_of(created(method)) == (("s16",), ("s16",))


def test_a_stride_of_the_student_is_that_of_the_teacher():
    assert paths_of(created("hint", student="stride=8")) == (("s8",), ("s8",))
    assert paths_of(created("attention", student="stride=8", teacher="s4")) == (("s8",), ("s4",))


def test_modules_are_given_for_both():
    assert paths_of(created("hint", student="s8", teacher="s8")) == (("s8",), ("s8",))


def test_channels_of_masked_generation_come_from_the_maps():
    loss = created("mgd").comparisons[0].loss
    assert (loss.student_channels, loss.teacher_channels, loss.mask) == (4, 6, "channel")


def test_masked_generation_masks_positions_for_segmentation_unless_told():
    assert created("mgd", kind="segmentation").comparisons[0].loss.mask == "spatial"
    told = created("mgd", kind="segmentation", options={"mask": "channel", "mask_ratio": 0.4})
    assert told.comparisons[0].loss.mask == "channel"
    assert told.comparisons[0].loss.mask_ratio == 0.4


def test_channel_wise_has_logits_or_features():
    assert TermSettings(method="channel_wise").compares == "logits"
    assert TermSettings(method="channel_wise", student="stride=8").compares == "features"
    assert TermSettings(method="mgd").compares == "features"
    assert TermSettings(method="mgd", student="logits").compares == "logits"


@pytest.mark.parametrize("method", ["mgd", "channel_wise"])
def test_losses_on_positions_refuse_the_logits_of_classification(method):
    with pytest.raises(ValueError, match=r"compares maps .*\(1, 10\)"):
        created(method, student="logits")


def test_the_losses_of_several_places_are_summed_with_their_gradient():
    student = {f"s{s}": torch.rand(2, 4, 3, 3, requires_grad=True) for s in (8, 16)}
    teacher = {f"s{s}": torch.rand(2, 6, 3, 3) for s in (8, 16)}
    total = created("attention")(student, teacher)
    single = [created("attention", student=f"stride={s}")(student, teacher).item() for s in (8, 16)]
    assert total.item() == pytest.approx(sum(single))
    total.backward()
    assert all(maps.grad.abs().max() > 0 for maps in student.values())


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"weight": 2.5}, 2.5),
        ({"weight": 0}, 0),
        ({"ratio": 0.5}, 1),
        ({"ratio": 0.7}, 7 / 3),
        ({}, 100),
        ({"balance": 0.5}, 100),
    ],
)
def test_the_factor_is_given_by_ratio_or_published(settings, factor):
    assert TermSettings(method="hint", **settings).factor == pytest.approx(factor)


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({"method": "hint"}, TermSettings(method="hint").info.balance),
        ({"method": "hint", "balance": 0.3}, 0.3),
        ({"method": "soft_target", "balance": 0.3}, 0.3),
        ({"method": "hint", "weight": 1}, None),
        ({"method": "hint", "ratio": 0.5}, None),
        ({"method": "soft_target"}, None),
        ({"method": "mgd", "student": "logits"}, None),
    ],
)
def test_features_are_balanced_where_nothing_else_is_said(settings, share):
    assert TermSettings(**settings).gradient_share == share


def test_what_older_versions_lacked_is_in_no_dump_unless_it_is_set():
    plain = TermSettings(method="hint", weight=2)
    assert "balance" not in plain.model_dump() | {"method": repr(plain)}
    assert "decay_to" not in repr(plain)
    assert TermSettings(method="hint", decay_to=0.25).model_dump()["decay_to"] == 0.25


def test_every_method_makes_settings():
    assert all(TermSettings(method=name).factor > 0 for name in names())


def test_settings_draw_no_random_numbers():
    state = torch.get_rng_state()
    TermSettings(method="mgd", options={"mask": "spatial"})
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "soft_targte"}, "did you mean 'soft_target'"),
        ({"method": "hint", "weight": 1, "ratio": 0.5}, "a weight and a ratio"),
        ({"method": "hint", "weight": 1, "balance": 0.5}, "a weight and a balance"),
        ({"method": "hint", "balance": 0}, "balance must be above 0"),
        ({"method": "hint", "warmup": 1.5}, "warmup must be above 0 and at most 1"),
        ({"method": "hint", "decay_to": -1}, "decay_to must be 0 or above"),
        ({"method": "hint", "weight": -1}, "weight must be 0 or above"),
        ({"method": "hint", "ratio": float("inf")}, "ratio must be 0 or above"),
        ({"method": "hint", "options": {"scalling": "mean"}}, "did you mean 'scaling'"),
        ({"method": "mgd", "options": {"mask": "none"}}, "mask must be"),
        ({"method": "soft_target", "options": {"temperature": 0}}, "temperature must be above 0"),
        ({"method": "soft_target", "student": "stride=16"}, "compares logits alone"),
        ({"method": "dkd", "teacher": "layer4"}, "compares logits alone"),
        ({"method": "hint", "student": "layer4"}, "none of the teacher; give both"),
        ({"method": "hint", "teacher": "stride=16"}, "none in the student"),
        ({"method": "hint", "student": "logits"}, "compares features"),
        ({"method": "mgd", "student": "logits", "teacher": "s8"}, "logits with features"),
        ({"method": "mgd", "student": "s8", "teacher": "logits"}, "logits with features"),
        ({"method": "hint", "wieght": 1}, "did you mean 'weight'"),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        validate(TermSettings, settings, "term")
    with pytest.raises(ValidationError):
        TermSettings(**settings)


@pytest.mark.parametrize("method", ["hint", "feature_mse", "mgd", "mmd"])
def test_unequal_sizes_are_refused_with_both_shapes(method):
    with pytest.raises(ValueError) as caught:
        created(method, student="s8", teacher="s4")
    assert "(1, 4, 4, 4)" in str(caught.value)
    assert "(1, 6, 8, 8)" in str(caught.value)
