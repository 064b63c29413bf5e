from __future__ import annotations

import pytest

from nas.distillation import create_loss, describe, names

CHANNELS = {"student_channels": 2, "teacher_channels": 2}
MADE_WITH = {"mgd": CHANNELS, "adversarial": {"channels": 2}, "reconstruction": CHANNELS}


def test_the_known_losses():
    assert names() == (
        "logit_mse",
        "soft_target",
        "dkd",
        "dist",
        "channel_wise",
        "feature_mse",
        "hint",
        "attention",
        "mgd",
        "similarity",
        "rkd",
        "mmd",
        "nst",
        "patch_bce",
        "patch_kl",
        "patch_mmd",
        "multi_scale",
        "mad",
        "adversarial",
        "reconstruction",
    )


def test_every_loss_is_described_with_its_paper():
    assert tuple(info.name for info in describe()) == names()
    assert len({info.summary for info in describe()}) == len(names())
    assert all(info.link.startswith("https://") for info in describe())
    assert all(info.paper.split(",")[0][-4:].isdigit() for info in describe())


def test_the_described_options_are_those_that_the_loss_takes():
    options = {info.name: [str(option) for option in info.options] for info in describe()}
    assert options["logit_mse"] == []
    assert options["soft_target"] == ["temperature=4.0", "standardise=False"]
    assert options["attention"] == ["form='code'"]
    assert options["mgd"][:3] == ["student_channels", "teacher_channels", "mask='channel'"]


def test_the_described_options_make_the_loss():
    for info in describe():
        defaults = {option.name: option.default for option in info.options if not option.required}
        given = {option.name: 2 for option in info.options if option.required}
        assert repr(create_loss(info.name, **given, **defaults)) == repr(
            create_loss(info.name, **given)
        )


def test_only_decoupled_distillation_needs_the_targets():
    assert [info.name for info in describe() if info.needs_targets] == ["dkd"]
    assert [
        name for name in names() if create_loss(name, **MADE_WITH.get(name, {})).needs_targets
    ] == ["dkd"]


def test_what_the_losses_compare():
    compares = {info.name: info.compares for info in describe()}
    assert compares["dist"] == ("logits",)
    assert compares["hint"] == ("features",)
    assert compares["mgd"] == ("features", "logits")
    assert compares["channel_wise"] == ("logits", "features")


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("logit_mse", {}, "LogitMSE()"),
        ("soft_target", {}, "SoftTarget(temperature=4.0, standardise=False)"),
        ("soft_target", {"temperature": 2}, "SoftTarget(temperature=2, standardise=False)"),
        ("attention", {"form": "paper"}, "AttentionTransfer(form=paper)"),
        ("dist", {}, "DIST(temperature=1.0, inter_weight=1.0, intra_weight=1.0)"),
    ],
)
def test_a_loss_tells_its_options(name, options, text):
    assert repr(create_loss(name, **options)) == text


def test_masks_with_other_options_differ_in_their_text():
    text = repr(create_loss("mgd", student_channels=2, teacher_channels=3, mask="spatial"))
    assert "student_channels=2, teacher_channels=3, mask=spatial, alpha=2e-05" in text


def test_an_unknown_loss_is_refused_with_those_that_are_known():
    with pytest.raises(
        ValueError, match="there is no distillation loss 'kl'; choose one of logit_mse, soft_tar"
    ):
        create_loss("kl")


def test_a_misspelt_loss_names_the_nearest():
    with pytest.raises(ValueError, match="no distillation loss 'atention'; did you mean 'attenti"):
        create_loss("atention")


@pytest.mark.parametrize(
    ("name", "options", "hint"),
    [
        ("soft_target", {"temprature": 2}, "did you mean 'temperature'"),
        ("similarity", {"p": 1}, "known: norm"),
        ("logit_mse", {"temperature": 2}, "it has none"),
    ],
)
def test_an_option_that_the_loss_lacks_is_refused_by_name(name, options, hint):
    option = next(iter(options))
    with pytest.raises(ValueError, match=f"loss '{name}' has no option '{option}'; {hint}"):
        create_loss(name, **options)


def test_an_option_that_is_missing_is_named():
    with pytest.raises(ValueError, match="loss 'mgd' needs the option 'teacher_channels'"):
        create_loss("mgd", student_channels=2)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("soft_target", {"temperature": 0}, "temperature must be above 0, not 0"),
        ("soft_target", {"temperature": -1.0}, "temperature must be above 0, not -1.0"),
        ("soft_target", {"temperature": "4"}, "temperature must be above 0, not '4'"),
        ("soft_target", {"temperature": float("inf")}, "temperature must be above 0, not inf"),
        ("channel_wise", {"temperature": True}, "temperature must be above 0, not True"),
        ("dist", {"temperature": 0}, "temperature must be above 0, not 0"),
        ("dist", {"inter_weight": -1}, "inter_weight must be 0 or above, not -1"),
        ("dist", {"intra_weight": -1}, "intra_weight must be 0 or above, not -1"),
        ("dkd", {"temperature": 0}, "temperature must be above 0, not 0"),
        ("dkd", {"alpha": -1}, "alpha must be 0 or above, not -1"),
        ("dkd", {"beta": "8"}, "beta must be 0 or above, not '8'"),
        ("dkd", {"ignore_index": 0.5}, "ignore_index must be a whole number, not 0.5"),
        ("hint", {"scaling": "sum"}, "scaling must be 'mean' or 'original', not 'sum'"),
        ("attention", {"form": "sum"}, "form must be 'code' or 'paper', not 'sum'"),
        ("similarity", {"norm": 1}, "norm must be 'l2' or 'l1', not 1"),
        ("rkd", {"distance_weight": -1}, "distance_weight must be 0 or above, not -1"),
        ("rkd", {"angle_weight": None}, "angle_weight must be 0 or above, not None"),
        ("mgd", {"student_channels": 0}, "student_channels must be a whole number from 1, not 0"),
        ("mgd", {"teacher_channels": 2.0}, "teacher_channels must be a whole number from 1, not 2"),
        ("mgd", {"mask": "pixel"}, "mask must be 'channel' or 'spatial', not 'pixel'"),
        ("mgd", {"alpha": 0}, "alpha must be above 0, not 0"),
        ("mgd", {"mask_ratio": 1.0}, "mask_ratio must be at least 0 and below 1, not 1.0"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(name, options, sentence):
    with pytest.raises(ValueError, match=f"distillation loss '{name}': {sentence}"):
        create_loss(name, **MADE_WITH.get(name, {}) | options)
