from __future__ import annotations

import pytest

from nas.errors import UserError
from nas.kinds.segmentation.settings import DecoderStageSettings
from nas.kinds.segmentation.settings import SegmentationEvaluationSettings as EvaluationSettings
from nas.settings import validate


def refused(**values):
    with pytest.raises(UserError) as caught:
        validate(EvaluationSettings, values, "evaluation")
    return str(caught.value)


def test_the_defaults_are_those_of_the_paper():
    settings = EvaluationSettings()
    assert (settings.stage0.enabled, settings.stage1.enabled) == (True, False)
    assert (settings.stage0.epochs, settings.stage0.polyak) == (3, 0.9)
    assert (settings.stage1.epochs, settings.stage1.polyak) == (1, 0.99)
    assert settings.stage0.clip == settings.stage1.clip == 3.0


def test_both_stages_off_are_refused():
    message = refused(stage0={"enabled": False}, stage1={"enabled": False})
    assert message == (
        "evaluation: stage0 and stage1 are both off, so no candidate would be trained."
    )


@pytest.mark.parametrize("stages", [(True, False), (False, True), (True, True)])
def test_either_stage_is_enough(stages):
    settings = EvaluationSettings(stage0={"enabled": stages[0]}, stage1={"enabled": stages[1]})
    assert (settings.stage0.enabled, settings.stage1.enabled) == stages


def test_an_unknown_distillation_loss_is_refused():
    message = refused(distillation={"method": "kl"})
    assert "no distillation loss 'kl'; choose one of logit_mse, soft_target" in message


def test_a_loss_on_features_is_refused_with_those_that_fit():
    message = refused(distillation={"method": "attention"})
    assert "'attention' compares features" in message
    assert "choose one of logit_mse, soft_target, dkd, dist, channel_wise, mgd" in message


@pytest.mark.parametrize(
    ("given", "factor"), [({}, 3.0), ({"weight": 0.5}, 0.5)], ids=["published", "given"]
)
def test_the_weight_is_the_published_one_unless_given(given, factor):
    settings = EvaluationSettings(distillation={"method": "channel_wise"} | given)
    assert settings.distillation.factor == factor


def test_the_default_distillation_is_the_one_that_compared_best():
    distillation = EvaluationSettings().distillation
    assert (distillation.method, distillation.factor) == ("channel_wise", 3.0)


def test_the_distillation_of_the_paper_has_its_weight():
    settings = EvaluationSettings(distillation={"method": "logit_mse"})
    assert settings.distillation.factor == 0.3


def test_without_stage_0_a_loss_may_compare_features():
    settings = EvaluationSettings(
        stage0={"enabled": False}, stage1={"enabled": True}, distillation={"method": "attention"}
    )
    assert settings.distillation.term.compares == "features"


def test_a_loss_on_both_is_taken_on_the_logits():
    assert EvaluationSettings(distillation={"method": "mgd"}).distillation.term.student == "logits"


def test_a_generative_loss_is_made_for_the_logits_of_the_task():
    settings = EvaluationSettings(distillation={"method": "mgd"}).distillation
    loss = settings.create(num_classes=7)
    assert (loss.student_channels, loss.teacher_channels, loss.mask) == (7, 7, "spatial")


def test_an_option_that_the_loss_lacks_is_refused():
    assert "temprature" in refused(
        distillation={"method": "soft_target", "options": {"temprature": 2}}
    )


def test_a_teacher_cannot_start_from_what_the_encoder_learns():
    assert "teacher" in refused(teacher={"encoder": {"weights": "task"}})


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("stage0", {"epochs": 0}),
        ("stage0", {"batch_size": 1}),
        ("stage0", {"polyak": 1.0}),
        ("stage0", {"loss_size": "half"}),
        ("stage1", {"augmentation": "heavy"}),
        ("stage1", {"precision": "float64"}),
        ("distillation", {"weight": 0}),
    ],
)
def test_a_value_out_of_range_is_named(section, values):
    assert f"{section}.{next(iter(values))}:" in refused(**{section: values})


def test_a_misspelt_key_names_the_nearest():
    assert refused(stage0={"epoch": 3}) == (
        "evaluation: unknown key 'stage0.epoch'; did you mean 'epochs'?"
    )


def test_a_negative_auxiliary_weight_is_refused():
    assert "auxiliary_weight" in refused(auxiliary_weight=-0.1)


@pytest.mark.parametrize("maps", [None, "float32"])
def test_older_runs_write_maps_in_float32_as_null(maps):
    settings = DecoderStageSettings(maps=maps)
    assert settings.maps == "float32"
    assert "maps" not in settings.model_dump()
    assert repr(settings) == repr(DecoderStageSettings())


@pytest.mark.parametrize("weights", ["task", "none"])
def test_weights_that_nobody_gives_are_not_fine_tuned(weights):
    message = refused(encoder={"weights": weights, "fine_tuning_epochs": 3})
    assert f"fine_tuning_epochs is for weights that are given, and weights is {weights};" in message


def test_older_runs_have_no_fine_tuning():
    assert "fine_tuning_epochs" not in EvaluationSettings().model_dump()["encoder"]
