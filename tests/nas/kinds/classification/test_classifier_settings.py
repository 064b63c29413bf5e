from __future__ import annotations

import pytest

from nas.errors import UserError
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.settings import validate
from nas.tasks import AugmentationSettings


def refusal(**values):
    with pytest.raises(UserError) as caught:
        validate(ClassifierFitSettings, values, "training")
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": 0.5}, "momentum has an effect with optimiser sgd only; set that too."),
        ({"milestones": [0.3]}, "milestones has an effect with schedule step only; set that too."),
        (
            {"cycle_epochs": 3, "schedule": "poly"},
            "cycle_epochs has an effect with schedule cosine only; set that too.",
        ),
        ({"gamma": 0.5}, "gamma has an effect with schedule step only; set that too."),
        (
            {"mixing_alpha": 0.2},
            "mixing_alpha has an effect with mixing mixup or cutmix only; set that too.",
        ),
        (
            {"epochs": 3, "burn_in": 3},
            "burn_in 3 leaves none of the 3 epochs; lower it.",
        ),
        (
            {"monitors": ["loss", "loss"]},
            "monitors: a score occurs twice; name each once.",
        ),
        (
            {"schedule": "step", "milestones": [0.7, 0.5]},
            "milestones: must be rising shares of the training, between 0 and 1.",
        ),
        (
            {"schedule": "step", "milestones": [0.5, 1]},
            "milestones: must be rising shares of the training, between 0 and 1.",
        ),
        ({"batchsize": 3}, "unknown key 'batchsize'; did you mean 'batch_size'?"),
        (
            {"augmentation": {"padding": 3}},
            "augmentation: padding belongs to crop 'pad', and crop is 'none'.",
        ),
    ],
)
def test_what_cannot_work_together_is_refused_in_a_sentence(values, message):
    assert refusal(**values) == f"training: {message}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("optimiser", "lion"),
        ("learning_rate", 0),
        ("weight_decay", -1),
        ("schedule", "linear"),
        ("warmup", 1.0),
        ("clip", 0),
        ("polyak", 1.0),
        ("mixing", "mixcut"),
        ("label_smoothing", 1.0),
        ("class_weights", "inverse"),
        ("r_drop", 0),
        ("precision", "float64"),
        ("monitors", []),
        ("patience", 0),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(key, value):
    assert refusal(**{key: value}).startswith(f"training: {key}: ")


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"no augmentation 'lite'.*'light'"):
        validate(ClassifierFitSettings, {"augmentation": "lite"}, "training")


@pytest.mark.parametrize(
    "values",
    [
        {"optimiser": "sgd", "momentum": 0.5},
        {"schedule": "step", "milestones": [0.3, 0.6], "gamma": 0.5},
        {"mixing": "cutmix", "mixing_alpha": 0.2},
        {"epochs": 3, "burn_in": 2},
    ],
)
def test_what_belongs_together_is_taken(values):
    settings = validate(ClassifierFitSettings, values, "training")
    kept = settings.model_dump(mode="json")
    assert {key: kept[key] for key in values} == values


@pytest.mark.parametrize("name", ["none", "light", "full"])
def test_a_preset_of_the_augmentation_is_its_settings(name):
    settings = ClassifierFitSettings.model_validate({"augmentation": name})
    assert settings.augmentation == AugmentationSettings.preset(name)


def test_settings_survive_a_file():
    settings = ClassifierFitSettings.model_validate(
        {"augmentation": "full", "monitors": ["loss", "accuracy"], "schedule": "step"}
    )
    assert ClassifierFitSettings.model_validate(settings.model_dump(mode="json")) == settings
