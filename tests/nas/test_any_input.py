"""Whatever users write in a file, the answer is what it means or one sentence, never a traceback.

Continuous integration tries a few hundred inputs for each parser. Many more are tried by::

    NAS_EXAMPLES=10000 python -m pytest tests/nas/test_any_input.py
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

import search_spaces
from nas import tasks
from nas.cli.values import assignments
from nas.errors import UserError
from nas.experiments.config import experiment_config
from nas.kinds.network_file import describe
from nas.mutual_learning.networks_file import ClassifiersDescription
from nas.mutual_learning.settings import ClassificationMutualConfig
from nas.retraining.options import RetrainStages
from nas.searching.config import image_config
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.settings import overridden, read_yaml, validate
from search_spaces import Genotype, GenotypeError

EXAMPLES = int(os.environ.get("NAS_EXAMPLES", "0"))
tried = settings(
    max_examples=EXAMPLES or 100,
    # Continuous integration sees the same inputs every time.
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# -- inputs

words = st.sampled_from(
    [
        *("", "no", "a", "images", "masks", "train.txt", "..", "../..", "/", "~", "~nobody", "."),
        *("a\0b", "\ud800", "x" * 300, "{}", "$x^$", "[/b]", "\x1b[2J", "\u202e", "é", "e\u0301"),
        *("0:70", "0.5:", ":", "1e999", "-1", "0x10", "object:x", "none", "task", "auto", "rgb"),
        *("fastnas", "resnet10t", "f1", "random", "params", "cpu", "cuda:99", "stride=8", "C:\\a"),
    ]
)
texts = words | st.text(alphabet=st.characters(), max_size=8).filter(lambda text: ":" not in text)
numbers = (
    st.integers(-3, 300)
    | st.sampled_from([10**20, -(10**20), 2**63, 1 << 31])
    | st.floats()
    | st.booleans()
)
leaves = (
    texts
    | numbers
    | st.none()
    | st.dates(datetime.date(1999, 1, 1))
    | st.binary(max_size=3)
    | st.sets(st.integers(0, 3), max_size=2)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=6,
)
json_values = st.recursive(
    texts | numbers | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn, valid: Any, replacements: st.SearchStrategy[Any]) -> Any:
    """A valid value with some of its parts replaced, removed or repeated, and others added."""
    for _ in range(draw(st.integers(1, 3))):
        valid = _changed(draw, valid, replacements)
    return valid


def _changed(draw: st.DrawFn, value: Any, replacements: st.SearchStrategy[Any]) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value, key=str)))
        action = draw(st.integers(0, 5))
        if action == 0:
            return {name: one for name, one in value.items() if name != key}
        if action == 1:
            return {**value, draw(texts): draw(replacements)}
        return {**value, key: _changed(draw, value[key], replacements)}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        index = draw(st.integers(0, len(value) - 1))
        action = draw(st.integers(0, 5))
        if action == 0:
            return value[:index] + value[index + 1 :]
        if action == 1:
            return [*value, value[index]]
        return [*value[:index], _changed(draw, value[index], replacements), *value[index + 1 :]]
    return draw(replacements)


@st.composite
def spoilt(draw: st.DrawFn, valid: str) -> bytes:
    """A valid text with pieces cut out, doubled or put in, in one encoding or another."""
    tokens = [": ", "- ", "\n", "\t", "[", "{", "&a ", "*a", "!!set ", "!!binary x", "<<: ", "? "]
    tokens += [
        '"',
        "'",
        "\\",
        "#",
        "\0",
        "\x85",
        "%",
        "|\n",
        "2024-13-45",
        "0o9",
        ".nan",
        "=",
        "..",
    ]
    text = valid
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from([*tokens, text[start:end] * 2]) | st.text(max_size=3))
        text = text[:start] + piece + text[end:]
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"]))
    content = text.encode(codec, errors="replace")
    whole = draw(st.integers(0, 9))
    return content if whole else content[: draw(st.integers(0, len(content)))]


def write_yaml(path: Path, value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


def answered(call: Any, refusal: type[Exception] = UserError) -> None:
    """Calls, and lets one sentence be an answer."""
    try:
        call()
    except refusal as error:
        assert str(error).strip()


# -- task.yaml and lists

SEGMENTATION = {
    "name": "leaves",
    "images": "images",
    "masks": "masks",
    "classes": {0: "ground", 1: "leaf"},
    "input_size": [32, 32],
    "channels": "rgb",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "value_range": [0, 255],
    "ignore_index": 255,
    "pairs": [["ground", "leaf"]],
    "reward_classes": ["leaf"],
    "groups": {"all": ["ground", ["leaf"]]},
    "splits": {"train": "train.txt", "validation": "1:2", "test": {"held_out": 0.5, "seed": 1}},
}
CLASSIFICATION = {
    "kind": "classification",
    "name": "leaves",
    "root": ".",
    "layout": "auto",
    "classes": ["cat", "dog"],
    "reward_classes": ["cat"],
    "input_size": [8, 8],
    "centre_crop": 0.9,
    "validation_share": 0.3,
    "test_share": 0.3,
    "seed": 0,
    "train": 2,
}
FACES = {
    "kind": "antispoofing",
    "name": "faces",
    "train": "list.txt",
    "validation": "list.txt",
    "test": "list.txt",
    "modalities": {"rgb": "rgb", "depth": "grey"},
    "columns": ["rgb", "depth", "label", "attack", "subject"],
    "absent": "-",
    "fill": 0,
    "input_size": [8, 8],
    "paths_outside": False,
}
NAMES = (
    "images/a.png masks/a.png\nimages/b.png\tmasks/b.png\nc\n# c\n/x/d.png\n../d.png\n"
    "images\\e.jpg\n"
)
LINES = "images/a.png masks/a.png 1 - anna\n- masks/b.png 0 print bob\n../c.png - 0 mask carl\n"
CUB = {
    "images.txt": "1 a.png\n2 b.png\n",
    "classes.txt": "1 cat\n2 dog\n",
    "image_class_labels.txt": "1 1\n2 2\n",
    "train_test_split.txt": "1 1\n2 0\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images for every kind of task."""
    root = tmp_path_factory.mktemp("data")
    for place in ("images", "masks", "train/cat", "train/dog", "run"):
        (root / place).mkdir(parents=True)
    pixels = np.zeros((32, 32), np.uint8)
    for name in "abc":
        for place in ("images", "masks", "train/cat", "train/dog"):
            Image.fromarray(pixels).save(root / place / f"{name}.png")
    for name, text in {"train.txt": "a\n", "list.txt": LINES, **CUB}.items():
        (root / name).write_text(text)
    return root


@tried
@given(value=changed(SEGMENTATION, values) | values)
def test_a_task_of_segmentation(folder, value):
    write_yaml(folder / "task.yaml", value)
    answered(lambda: tasks.load(folder))


@tried
@given(value=changed(CLASSIFICATION, values))
def test_a_task_of_classification(folder, value):
    write_yaml(folder / "task.yaml", value)
    answered(lambda: tasks.load(folder))


@tried
@given(value=changed(FACES, values))
def test_a_task_of_faces(folder, value):
    write_yaml(folder / "task.yaml", value)
    answered(lambda: tasks.load(folder))


@tried
@given(content=spoilt(yaml.safe_dump(SEGMENTATION)) | st.binary(max_size=40))
def test_any_bytes_in_a_task(folder, content):
    (folder / "task.yaml").write_bytes(content)
    answered(lambda: tasks.load(folder))


@tried
@given(content=spoilt(NAMES) | st.binary(max_size=40))
def test_any_bytes_in_a_list_of_images(folder, content):
    splits = {"train": "names.txt", "validation": "1:2", "test": "2:3"}
    write_yaml(folder / "task.yaml", {**SEGMENTATION, "splits": splits})
    (folder / "names.txt").write_bytes(content)
    answered(lambda: tasks.load(folder))


@tried
@given(content=spoilt(LINES) | st.binary(max_size=40))
def test_any_bytes_in_a_list_of_faces(folder, content):
    write_yaml(folder / "task.yaml", {**FACES, "train": "names.txt"})
    (folder / "names.txt").write_bytes(content)
    answered(lambda: tasks.load(folder))


@pytest.mark.parametrize("name", CUB)
@settings(tried, max_examples=max(tried.max_examples // 4, 10))
@given(data=st.data())
def test_any_bytes_in_a_list_of_birds(folder, data, name):
    write_yaml(folder / "task.yaml", {"kind": "classification", "name": "birds", "layout": "cub"})
    (folder / name).write_bytes(data.draw(spoilt(CUB[name]) | st.binary(max_size=40)))
    try:
        answered(lambda: tasks.load(folder))
    finally:
        (folder / name).write_text(CUB[name])


# -- genotypes

SPACES = {name: search_spaces.create(name) for name in search_spaces.names()}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@tried
@given(data=st.data())
def test_any_text_for_a_genotype(space, data):
    import random

    valid = str(space.sample(random.Random(data.draw(st.integers(0, 99)))))
    text = data.draw(spoilt(valid)).decode(errors="replace")
    answered(lambda: space.parse(text), GenotypeError)
    nested = data.draw(changed(json.loads(valid), json_values))
    answered(lambda: space.parse(nested), GenotypeError)


@tried
@given(value=changed({"space": "fastnas", "value": [[0, 1], ["a"]]}, json_values))
def test_any_record_of_a_genotype(value):
    answered(lambda: Genotype.from_json(json.dumps(value)), GenotypeError)


# -- configurations

SEARCH = {
    "task": "digits",
    "task_options": {"size": 8},
    "space": {"name": "nasbench201", "options": {"width": 4}},
    "controller": {"name": "random", "settings": {}},
    "reward": {
        "metric": "accuracy",
        "aggregate": "mean",
        "classes": ["0"],
        "penalties": [{"cost": "params", "base": 1000.0, "exponent": -0.5}],
    },
    "promotion": {"reduction": 3.0},
    "limits": {"params": 1e6},
    "trials": 2,
    "storage": "sqlite:////a/b.db",
    "imports": [],
    "latency": {"device": "cpu"},
    "retraining": {"epochs": 1, "augmentation": "light"},
    "retraining_losses": [{"method": "dist", "weight": 1.0, "options": {"temperature": 2.0}}],
    "evaluation": {
        "distillation": {"enabled": True, "method": "soft_target"},
        "teacher": {"model": {"name": "resnet10t"}, "training": {"epochs": 1}},
        "training": {"epochs": 1, "learning_rate": 0.1},
    },
}
TRAINING = {
    "task": "digits",
    "model": {"name": "resnet10t", "options": {"drop_rate": 0.1}},
    "teacher": None,
    "training": {"epochs": 1, "learning_rate": 0.1},
    "stages": [{"name": "first", "losses": [{"method": "dist"}], "train": ["fc"]}],
    "seeds": 2,
}
STUDENTS = {"students": [{"model": {"name": "resnet18"}, "cut": ["layer2"]}], "task": "digits"}


@tried
@given(value=changed(SEARCH, values) | values)
def test_the_configuration_of_a_search(folder, value):
    write_yaml(folder / "search.yaml", value)
    answered(lambda: load_config(folder / "search.yaml", {}))


@tried
@given(content=spoilt(yaml.safe_dump(SEARCH)))
def test_any_bytes_in_a_configuration(folder, content):
    (folder / "search.yaml").write_bytes(content)
    answered(lambda: load_config(folder / "search.yaml", {}))


@tried
@given(value=changed(SEARCH, values), info=json_values, study=json_values)
def test_what_a_run_folder_holds(folder, value, info, study):
    run = RunFolder(folder / "run")
    write_yaml(run.config_path, value)
    run.info_path.write_text(json.dumps(info))
    run.memory_path.write_text(json.dumps(study))
    for read in (run.config, run.info, run.known_trials, lambda: run.study_name):
        answered(read)


@pytest.mark.parametrize(
    ("model", "valid"),
    [
        (experiment_config("classification"), TRAINING),
        (experiment_config("segmentation"), TRAINING),
        (image_config("antispoofing"), SEARCH),
        (ClassificationMutualConfig, STUDENTS),
        (RetrainStages, {"stages": TRAINING["stages"]}),
    ],
)
@settings(tried, max_examples=max(tried.max_examples // 4, 10))
@given(data=st.data())
def test_other_configurations(folder, data, model, valid):
    write_yaml(folder / "other.yaml", data.draw(changed(valid, values)))
    answered(lambda: validate(model, read_yaml(folder / "other.yaml"), "other.yaml"))


@tried
@given(text=spoilt("evaluation.stage0={epochs: 1, batch_size: 8}"))
def test_what_is_assigned_on_the_command_line(text):
    argument = text.decode(errors="surrogateescape")
    answered(lambda: overridden(SEARCH, assignments([argument])))


# -- networks

NETWORK = {
    "kind": "classification",
    "network": {"name": "resnet10t", "weights": "none", "options": {"drop_rate": 0.1}},
    "classes": ["a", "b"],
    "input_size": [8, 8],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
FOUND = {
    "kind": "segmentation",
    "network": {
        "space": "fastnas",
        "space_options": {"cells": 1},
        "genotype": "[[0]]",
        "encoder": {"name": "resnet10t", "weights": "none"},
    },
    **{key: NETWORK[key] for key in ("classes", "input_size", "mean", "std")},
}
CUT = {
    "networks": [{"name": "a", "model": {"name": "resnet18"}, "cut": ["layer2"]}],
    **{key: NETWORK[key] for key in ("classes", "input_size", "mean", "std")},
}


@tried
@given(value=changed(NETWORK, json_values) | changed(FOUND, json_values) | json_values)
def test_the_description_of_a_network(folder, value):
    save_file({"a": torch.zeros(1)}, folder / "a.safetensors", {"nas": json.dumps(value)})
    answered(lambda: describe(folder / "a.safetensors"))


@tried
@given(value=changed(CUT, json_values))
def test_the_description_of_networks_in_parts(value):
    answered(lambda: validate(ClassifiersDescription, value, "networks.safetensors"))


@tried
@given(content=st.binary(max_size=40), length=st.integers(0, 2**64 - 1))
def test_any_bytes_in_a_file_of_weights(folder, content, length):
    (folder / "b.safetensors").write_bytes(length.to_bytes(8, "little") + content)
    answered(lambda: describe(folder / "b.safetensors"))
