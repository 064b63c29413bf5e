from __future__ import annotations

import typing

import pytest

import nas.tasks
import search_spaces
from nas.errors import UserError
from nas.experiments.config import with_default_losses
from nas.kinds import kind_named, kind_names, kind_of
from nas.kinds.kind import Kind
from nas.models.network_settings import NetworkSettings
from nas.searching.config import image_config
from nas.settings import Settings
from nas.training.recipe import Recipe
from nas.training.stage_settings import StageTraining


@pytest.mark.parametrize("name", kind_names())
def test_a_built_in_kind_says_all_that_differs(name, faces, digits) -> None:
    kind = kind_named(name)
    assert kind.name == name
    declared = {**typing.get_type_hints(Recipe), **typing.get_type_hints(Kind)}
    assert {"outputs", "figures", "distillation_losses"} <= declared.keys()
    # The spaces of a kind are its own unless it says whose they are.
    for attribute in declared.keys() - {"space_kind", "sizes", "first_figure_is_an_error"}:
        assert getattr(kind, attribute), attribute
    # What is abstract would have kept it from being made.
    assert not type(kind).__abstractmethods__


@pytest.mark.parametrize("name", kind_names())
def test_the_parts_of_a_kind_fit_together(name) -> None:
    kind = kind_named(name)
    assert search_spaces.create(kind.default_space).kind == (kind.space_kind or name)
    assert nas.tasks.load(kind.default_task).kind == name
    assert all(
        issubclass(s, NetworkSettings) for s in (kind.model_settings, kind.searched_settings)
    )
    assert all(
        issubclass(s, StageTraining) for s in (kind.training_settings, kind.retraining_settings)
    )
    settings = kind.evaluation_settings()
    assert isinstance(settings, Settings)
    assert isinstance(settings.teacher.model, kind.model_settings)
    assert isinstance(settings.teacher.training, StageTraining)
    assert settings.teacher.run is None
    assert settings.distillation.enabled
    assert settings.distillation.term.method


@pytest.mark.parametrize("name", ["segmentation", "classification"])
def test_the_figures_of_a_kind_are_those_of_its_scores(name, request) -> None:
    kind = kind_named(name)
    prepared = request.getfixturevalue("prepared" if name == "segmentation" else "plain_digits")
    settings = kind.evaluation_settings()
    network = kind.create(kind.without_hub(settings.teacher.model), prepared.task)
    card = kind.score(network.eval(), prepared.task, "validation", prepared.device)
    assert set(kind.figures) <= card.figures.keys()
    assert set(kind.metrics) <= card.scores.keys()
    assert kind.quality(card) == card.macro["f1"]


def test_the_kind_of_a_task_is_made_once(faces, digits) -> None:
    assert kind_of(faces) is kind_named("segmentation")
    assert kind_of(digits) is kind_named("classification")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="no kind of task 'segmentaton'; did you mean 'segmentat"):
        kind_named("segmentaton")
    with pytest.raises(UserError, match="choose one of segmentation, classification"):
        kind_named("x")


@pytest.mark.parametrize(
    ("name", "loss"),
    [("segmentation", "channel_wise"), ("classification", "dist"), ("antispoofing", "dist")],
)
def test_searches_retrainings_and_distillations_share_the_default_loss(name, loss) -> None:
    config = image_config(name)()
    assert config.evaluation.distillation.method == loss
    assert [one.method for one in config.retraining_losses] == [loss]
    found = with_default_losses({"teacher": "runs/teacher"}, name)
    assert [one["method"] for one in found["losses"]] == [loss]
