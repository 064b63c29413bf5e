"""``nas train`` with a classification task."""

from __future__ import annotations

import json

import pytest
import yaml

TINY = (
    *("--task", "digits", "--device", "cpu"),
    *("--set", "task_options={size: 8, train: 60, validation: 40, test: 40}"),
    *("--set", "training={batch_size: 20, augmentation: none, learning_rate: 0.003}"),
)
OPTIONS = (*TINY, "--model", "convnet_small", "--epochs", 2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def epochs(outcome):
    """What was trained, and the epoch, of every line of progress."""
    lines = (line.split() for line in outcome.out.splitlines() if " epoch " in line)
    return [(words[1], words[3]) for words in lines]


def test_a_network_is_trained_over_seeds_into_a_folder_of_its_name(nas, here):
    outcome = nas("train", *OPTIONS, "--seeds", 2)
    assert outcome.code == 0, outcome.err
    assert epochs(outcome) == [(f"seed-{s}", f"{e}/2") for s in (0, 1) for e in (1, 2)]
    assert outcome.out.splitlines()[-1] == "run: runs/convnet_small"
    figures = json.loads((here / "runs/convnet_small/metrics.json").read_text())
    accuracy = figures["validation"]["accuracy"]
    row = next(line for line in outcome.out.splitlines() if line.startswith("│ accuracy"))
    assert f" {accuracy['mean']:.4f} ± {accuracy['std']:.4f} " in row
    for value in accuracy["values"]:
        assert f" {value:.4f} " in row

    more = nas("train", *OPTIONS, "--seeds", 3)
    assert epochs(more) == [("seed-2", "1/2"), ("seed-2", "2/2")]
    again = nas("train", *OPTIONS, "--seeds", 3)
    assert (again.code, epochs(again)) == (0, [])
    assert "seed 2" in again.out

    other = nas("train", *OPTIONS[:-1], 3)
    assert (other.code, other.out) == (2, "")
    assert other.err == (
        "nas: runs/convnet_small: it holds a run of other settings (training.epochs); choose "
        "another folder.\n"
    )


def test_a_score_on_the_progress_lines_is_that_of_the_first_monitor(nas, here):
    outcome = nas("train", *OPTIONS, "--run", "mine", "--set", "training.monitors=[loss,accuracy]")
    log = (here / "mine" / "seed-0" / "log.csv").read_text().splitlines()
    column = log[0].split(",").index("loss")
    for line, row in zip(outcome.out.splitlines(), log[1:], strict=False):
        assert f"validation loss {float(row.split(',')[column]):.4f}" in line


def test_settings_may_stand_in_for_options(nas, here):
    outcome = nas(
        "train",
        *TINY,
        *("--set", "model.name=convnet_small", "--set", "training.epochs=1"),
        *("--set", "seeds=2", "--set", "seed=4"),
    )
    assert outcome.code == 0, outcome.err
    assert epochs(outcome) == [("seed-4", "1/1"), ("seed-5", "1/1")]
    config = yaml.safe_load((here / "runs/convnet_small/config.yaml").read_text())
    assert (config["seed"], config["training"]["epochs"]) == (4, 1)


def test_a_folder_of_images_by_class_is_a_task(nas, here):
    from PIL import Image

    for first, split, count in ((0, "train", 4), (10, "val", 2), (20, "test", 2)):
        for value, name in ((first + 40, "dark"), (first + 200, "light")):
            folder = here / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (20, 20), (value + index, value, value)).save(
                    folder / f"{index}.png"
                )
    outcome = nas(
        "train",
        *("--task", "data", "--model", "convnet_small", "--epochs", 1, "--device", "cpu"),
        *("--set", "task_options.input_size=[8, 8]", "--set", "training.batch_size=4"),
    )
    assert outcome.code == 0, outcome.err
    assert epochs(outcome) == [("seed-0", "1/1")]
