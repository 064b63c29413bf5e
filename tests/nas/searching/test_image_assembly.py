"""The parts of a search on images."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from safetensors.torch import load_file

import nas.tasks
from nas.errors import UserError
from nas.kinds.segmentation import preparation
from nas.report.runs import read_snapshot
from nas.searching import search
from nas.searching.assembly import IMPORT_PATH, StandardAssembly
from nas.searching.config import image_config
from nas.searching.images import ImageAssembly, load_task, reward_on
from nas.searching.records import complete_records
from nas.searching.study import read_study

FACES = {"train": 24, "validation": 8, "test": 8, "size": 32}
ENCODER = {"name": "mobilenetv3_small_050", "weights": "none"}
TRAINING = {"epochs": 4, "batch_size": 4, "augmentation": "none", "polyak": None}
CONFIG = {
    "task_options": FACES,
    "space": {"name": "fastnas", "options": {"branches": 2, "cells": 1, "width": 8}},
    "reward": {"classes": ["background", "skin", "hair"], "penalties": [{"cost": "flops"}]},
    "controller": {"name": "random"},
    "evaluation": {
        "encoder": ENCODER,
        "stage0": {"epochs": 1, "batch_size": 8},
        "teacher": {"encoder": ENCODER, "training": TRAINING | {"encoder_learning_rate": 0.003}},
    },
    "trials": 2,
    "device": "cpu",
}


@pytest.mark.usefixtures("tiny")
def test_task_encoder_and_teacher_are_made_once_in_a_search_of_one_process(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        make = getattr(module, name)

        def counted(*given: Any, **named: Any) -> Any:
            calls[name] += 1
            return make(*given, **named)

        monkeypatch.setattr(module, name, counted)

    count(nas.tasks, "load")
    count(preparation, "prepare_encoder")
    count(preparation, "trained_teacher")
    config = image_config("segmentation").model_validate(CONFIG)
    said: list[str] = []
    monkeypatch.setattr("nas.searching.images.second_opinion", lambda found, rng: "they differ.")
    assembly = StandardAssembly(say=said.append)
    run = search.start(config, tmp_path / "run", assembly, IMPORT_PATH)
    assert said.count("costs: they differ.") == 1
    search.resume(tmp_path / "run", assembly, IMPORT_PATH)
    assert said.count("costs: they differ.") == 1
    assert len(complete_records(read_study(run))) == 2
    assert calls == {"load": 1, "prepare_encoder": 1, "trained_teacher": 1}
    scores = read_snapshot(run).teacher
    assert scores is not None and 0 <= scores["f1"]["skin"] <= 1
    assert all(math.isfinite(value) for value in scores["f1"].values())


@pytest.mark.usefixtures("tiny")
def test_another_task_is_not_taken_for_the_one_that_was_loaded() -> None:
    assembly = ImageAssembly()
    config = image_config("segmentation").model_validate(CONFIG)
    smaller = config.model_copy(update={"task_options": FACES | {"train": 12}})
    assert len(assembly.task(config).dataset("train")) == 24
    assert len(assembly.task(smaller).dataset("train")) == 12


@pytest.mark.parametrize(
    ("kind", "task", "sentence"),
    [
        (
            "segmentation",
            "digits",
            "task digits: the space 'small' is for segmentation, and this is a classification "
            "task; choose a space for it, for example --space nasbench201.",
        ),
        (
            "classification",
            "faces",
            "task faces: the space 'nasbench201' is for classification, and this is a segmentation "
            "task; choose a space for it, for example --space small.",
        ),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_a_task_and_a_space_of_different_kinds_are_refused(
    kind: str, task: str, sentence: str
) -> None:
    # So many that each split shows all digits.
    options = {"train": 60, "validation": 40, "test": 40, "size": 32}
    config = image_config(kind).model_validate({"task": task, "task_options": options})
    with pytest.raises(UserError) as refused:
        load_task(config)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("metric", ["acer", "eer", "tpr_at_fpr_1e2"])
def test_a_metric_of_two_classes_is_refused_before_a_search_of_more(metric: str) -> None:
    config = image_config("classification").model_validate(
        {"task": "digits", "task_options": {"size": 8}, "reward": {"metric": metric}}
    )
    task = nas.tasks.load("digits", size=8)
    with pytest.raises(UserError, match=r"^reward\.metric: .*two classes"):
        reward_on(task, config)


def test_a_metric_of_any_number_of_classes_is_taken() -> None:
    config = image_config("classification").model_validate({"reward": {"metric": "auc"}})
    assert reward_on(nas.tasks.load("digits", size=8), config).metric == "auc"


@pytest.mark.usefixtures("tiny")
def test_candidates_learn_from_a_part_of_the_training_images_and_the_log_tells(
    tmp_path: Any,
) -> None:
    evaluation = CONFIG["evaluation"] | {"train_images": 10, "distillation": {"enabled": False}}
    config = image_config("segmentation").model_validate(CONFIG | {"evaluation": evaluation})
    said: list[str] = []
    assembly = StandardAssembly(say=said.append)
    run = search.start(config, tmp_path / "run", assembly, IMPORT_PATH)
    told = [line for line in said if line.startswith("images:")]
    assert len(told) == 1
    assert "from 10 of 24 training images" in told[0]
    assert len(complete_records(read_study(run))) == 2
    (maps,) = (run.path / "cache").glob("features-train-*.safetensors")
    assert len(load_file(maps)["map0"]) == 10
