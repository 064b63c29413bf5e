from __future__ import annotations

import json
import statistics
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file

import nas
from nas.errors import UserError
from nas.experiments.folder import claim
from nas.experiments.run import mean_and_spread
from nas.kinds.network_file import describe
from nas.kinds.teacher import network_path
from nas.settings import Settings

HINT = {
    "name": "hint",
    "train": ["stage1"],
    "task_weight": 0.0,
    "losses": [{"method": "hint", "student": "stage1", "teacher": "stage1"}],
    "training": {"epochs": 1},
}
SOFT = {"name": "soft", "losses": [{"method": "soft_target"}], "freeze": ["stage1"]}


@pytest.fixture(scope="module")
def staged(teacher, train, tmp_path_factory):
    """A run of two stages, not to be written to: its folder, summary and epochs."""
    folder = tmp_path_factory.mktemp("staged") / "run"
    return folder, *train(folder, teacher=str(teacher), stages=[HINT, SOFT])


class Interrupted(BaseException):
    """What a signal is to a test."""


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read(path):
    return json.loads(path.read_text())


SEED = ("log.csv", "metrics.json", "model.safetensors")


def test_a_run_leaves_its_settings_its_networks_and_its_figures(teacher):
    expected = {f"seed-{seed}/{name}" for seed in (0, 1) for name in SEED}
    assert files(teacher) == {"config.yaml", "metrics.json", *expected}
    config = yaml.safe_load((teacher / "config.yaml").read_text())
    assert config["training"]["epochs"] == 8
    assert not {"seeds", "device"} & config.keys()


def test_a_network_is_described_by_its_file(teacher):
    description = describe(teacher / "seed-1")
    assert description.classes == tuple(str(digit) for digit in range(10))
    assert description.input_size == (8, 8)
    network = nas.load(teacher / "seed-1" / "model.safetensors")
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 10)


def test_the_summary_has_the_mean_and_the_sample_standard_deviation(teacher):
    record = read(teacher / "metrics.json")
    single = [read(teacher / f"seed-{seed}" / "metrics.json") for seed in (0, 1)]
    values = [one["validation"]["accuracy"] for one in single]
    assert record["seeds"] == [0, 1]
    assert record["validation"]["accuracy"]["values"] == values
    assert record["validation"]["accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    # Of two values the sample standard deviation is their distance by the root of 2.
    spread = abs(values[0] - values[1]) / 2**0.5
    assert record["validation"]["accuracy"]["std"] == pytest.approx(spread)


def test_the_spread_is_that_of_a_sample():
    mean, spread = mean_and_spread([0.5, 0.7, 0.9])
    assert (mean, spread) == (pytest.approx(0.7), pytest.approx(0.2))
    assert spread != pytest.approx(statistics.pstdev([0.5, 0.7, 0.9]))
    assert mean_and_spread([0.5]) == (0.5, None)


def test_the_log_has_a_row_for_every_epoch(teacher):
    header, *rows = (teacher / "seed-0" / "log.csv").read_text().splitlines()
    assert header.split(",")[:2] == ["stage", "epoch"]
    assert {"train_loss", "train_task", "accuracy", "loss", "best"} <= set(header.split(","))
    assert [row.split(",")[:2] for row in rows] == [["training", str(n)] for n in range(1, 9)]
    best = [float(row.split(",")[header.split(",").index("accuracy")]) for row in rows]
    assert max(best) == read(teacher / "seed-0" / "metrics.json")["validation"]["accuracy"]


def test_more_seeds_train_only_those_that_are_missing(train, tmp_path):
    first, _ = train(tmp_path / "run", seed=3)
    kept = load_file(tmp_path / "run" / "seed-3" / "model.safetensors")
    summary, seen = train(tmp_path / "run", seed=3, seeds=2)
    assert seen == [("seed-4", 0), ("seed-4", 1)]
    assert summary.seeds == (3, 4)
    assert summary.validation["accuracy"][0] == first.validation["accuracy"][0]
    after = load_file(tmp_path / "run" / "seed-3" / "model.safetensors")
    assert all(torch.equal(after[key], value) for key, value in kept.items())
    assert train(tmp_path / "run", seed=3, seeds=2) == (summary, [])


def test_a_seed_trains_the_same_network_in_any_run(train, teacher, tmp_path):
    train(tmp_path / "run", seed=1, training__epochs=8)
    alone, among = (
        load_file(folder / "seed-1" / "model.safetensors") for folder in (tmp_path / "run", teacher)
    )
    assert all(torch.equal(alone[key], value) for key, value in among.items())


def test_each_seed_begins_with_weights_of_its_own(train, tmp_path):
    train(tmp_path / "run", seeds=2, training__epochs=1, training__learning_rate=1e-12)
    first, second = (
        load_file(tmp_path / "run" / f"seed-{seed}" / "model.safetensors") for seed in (0, 1)
    )
    assert (first["classifier.weight"] - second["classifier.weight"]).abs().max() > 1e-2


def test_a_run_that_is_cut_off_goes_on_and_tidies_up(teacher, staged, train, config, tmp_path):
    from nas.experiments.run import run_experiment

    changes = {"teacher": str(teacher), "stages": [HINT, SOFT]}
    folder, expected, whole = staged
    assert whole == [("seed-0 hint", 0), ("seed-0 soft", 0), ("seed-0 soft", 1)]

    def interrupt(what, record, epochs):
        if what == "seed-0 soft":
            raise Interrupted

    with pytest.raises(Interrupted):
        run_experiment(config(**changes), tmp_path / "run", on_epoch=interrupt)
    assert files(tmp_path / "run" / "seed-0") == {"hint.pt", "soft.pt"}
    (tmp_path / "run" / "seed-0" / "soft.pt.tmp").touch()
    summary, seen = train(tmp_path / "run", **changes)
    assert seen == [("seed-0 soft", 1)]
    assert summary == expected
    assert files(tmp_path / "run" / "seed-0") == {*SEED, "stages/hint.safetensors"}
    ends = [load_file(run / "seed-0" / SEED[2]) for run in (folder, tmp_path / "run")]
    assert all(torch.equal(ends[1][key], value) for key, value in ends[0].items())


def test_checkpoints_that_a_kill_left_beside_a_finished_network_are_removed(train, tmp_path):
    train(tmp_path / "run")
    (tmp_path / "run" / "seed-0" / "training.pt").touch()
    assert train(tmp_path / "run")[1] == []
    assert files(tmp_path / "run" / "seed-0") == set(SEED)


def test_what_was_frozen_is_the_same_in_the_files(staged):
    folder = staged[0] / "seed-0"
    before, after = (
        load_file(folder / name) for name in ("stages/hint.safetensors", "model.safetensors")
    )
    same = {key for key, value in before.items() if torch.equal(after[key], value)}
    assert {key for key in before if key.startswith("stage1.")} == same


def test_every_monitor_has_a_file_of_its_best_weights(train, tmp_path):
    train(tmp_path / "run", training__monitors=["accuracy", "loss"])
    found = files(tmp_path / "run" / "seed-0")
    assert found == {*SEED, "model-accuracy.safetensors", "model-loss.safetensors"}
    folder = tmp_path / "run" / "seed-0"
    first, best = load_file(folder / "model-accuracy.safetensors"), load_file(folder / SEED[2])
    assert all(torch.equal(best[key], value) for key, value in first.items())


def test_figures_of_stages_are_their_accuracies(staged, teacher):
    folder, summary, _ = staged
    record = read(folder / "metrics.json")
    assert record["stages"] == summary.stages
    assert summary.stages["soft"] == summary.validation["accuracy"]
    assert record["teacher"]["accuracy"] == max(
        read(teacher / f"seed-{seed}" / "metrics.json")["validation"]["accuracy"] for seed in (0, 1)
    )
    # A hint alone trains no classifier, so the loss decides, which is no accuracy.
    single = read(folder / "seed-0" / "metrics.json")["stages"]["hint"]
    assert single["score"] == single["scores"]["train_loss"]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"training__epochs": 3}, "training.epochs"),
        ({"seed": 1}, "seed"),
        ({"task_options__train": 50, "model__name": "resnet20"}, "task_options.train, model.name"),
    ],
)
def test_a_folder_of_other_settings_is_refused(train, tmp_path, changes, keys):
    train(tmp_path / "run")
    before = files(tmp_path / "run")
    with pytest.raises(UserError) as caught:
        train(tmp_path / "run", **changes)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: it holds a run of other settings ({keys}); choose another folder."
    )
    assert files(tmp_path / "run") == before


def test_a_folder_in_which_nothing_was_trained_may_be_taken_for_other_settings(
    train, tmp_path, monkeypatch
):
    def fail(*arguments):
        raise UserError("no weights")

    with monkeypatch.context() as patch:
        patch.setattr("nas.experiments.run.seeded", fail)
        with pytest.raises(UserError, match="no weights"):
            train(tmp_path / "run", training__epochs=3)
    assert files(tmp_path / "run") == {"config.yaml"}
    assert len(train(tmp_path / "run", training__epochs=1)[1]) == 1
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["epochs"] == 1


def test_a_folder_or_file_of_something_else_is_refused(train, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    for place in (tmp_path / "mine", tmp_path / "mine" / "notes.txt"):
        with pytest.raises(UserError, match="the folder is in use; choose another one"):
            train(place)
    assert files(tmp_path) == {"mine/notes.txt"}


@pytest.mark.parametrize(("key", "what"), [("data", "images"), ("taught_by", "teacher weights")])
def test_a_run_with_another_teacher_or_other_images_is_refused(train, tmp_path, key, what):
    train(tmp_path / "run")
    path = tmp_path / "run" / "seed-0" / "metrics.json"
    path.write_text(json.dumps(read(path) | {key: "other"}))
    with pytest.raises(UserError) as caught:
        train(tmp_path / "run", seeds=2)
    assert str(caught.value) == (
        f"{path.parent}: it was trained with other {what}; choose another folder."
    )


def test_nothing_is_written_before_the_settings_are_known_to_work(train, tmp_path):
    for changes, message in (
        ({"model__name": "convnet_smal"}, "did you mean 'convnet_small'"),
        ({"teacher": str(tmp_path / "none"), "losses": [{"method": "hint"}]}, "no such file"),
        ({"losses": [{"method": "hint"}]}, "the losses of stage 'training' need a teacher"),
        ({"task_options__trian": 3}, "trian"),
        ({"device": "tpu"}, "'tpu' is not known"),
    ):
        with pytest.raises(UserError, match=message):
            train(tmp_path / "run", **changes)
        assert not (tmp_path / "run").exists()


def test_losses_and_stages_exclude_each_other(config):
    with pytest.raises(UserError) as caught:
        config(losses=[{"method": "hint"}], stages=[HINT])
    assert str(caught.value).startswith("settings: losses (--method) are those of a training")


def test_a_configuration_is_made_of_settings(config):
    assert isinstance(config(), Settings)
    assert config(seeds=5, device="cpu").identity() == config(device="auto").identity()
    assert config(seed=1).identity() != config().identity()


def test_an_unfinished_training_of_an_older_version_is_one_sentence(tmp_path):
    (tmp_path / "teacher.pt").touch()
    with pytest.raises(UserError, match="in use; choose another one"):
        claim(tmp_path, SimpleNamespace(identity=dict))
    with pytest.raises(UserError, match="no trained network there; make one with nas train"):
        network_path(tmp_path)
