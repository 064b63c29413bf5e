"""``nas distill`` from a teacher of ``nas train``, as a user runs them."""

from __future__ import annotations

import json

import pytest
import torch
import yaml

from nas.vision_libraries import timm

TINY = (
    *("--task", "digits", "--device", "cpu"),
    *("--set", "task_options={size: 8, train: 60, validation: 40, test: 40}"),
    *("--set", "training={batch_size: 20, augmentation: none, learning_rate: 0.003}"),
)
NETWORK = ("--model", "convnet_small", "--epochs", 1)
METHODS = (
    *("logit_mse", "soft_target", "dkd", "dist", "channel_wise", "feature_mse", "hint"),
    *("attention", "mgd", "similarity", "rkd", "mmd", "nst"),
    *("patch_bce", "patch_kl", "patch_mmd", "multi_scale", "mad"),
    *("adversarial", "reconstruction"),
)


@pytest.fixture(scope="module")
def teacher(nas, tmp_path_factory):
    """A run to learn from, not to be written to."""
    folder = tmp_path_factory.mktemp("teachers") / "teacher"
    outcome = nas("train", *TINY, *NETWORK[:2], "--epochs", 8, "--run", folder)
    assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture
def distill(nas, teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *more: nas("distill", *TINY, "--teacher", teacher, *NETWORK, *more)


def config(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_without_a_method_the_loss_is_that_of_the_kind(distill, tmp_path):
    outcome = distill()
    assert outcome.code == 0, outcome.err
    assert "loss towards the teacher: dist, the default of classification" in outcome.out
    folder = tmp_path / "runs/convnet_small-distilled"
    assert [loss["method"] for loss in config(folder)["losses"]] == ["dist"]


def test_a_network_learns_from_another_one(distill, teacher, tmp_path):
    outcome = distill("--method", "mgd", "--seeds", 2)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    accuracy = json.loads((teacher / "metrics.json").read_text())["validation"]["accuracy"]
    told = lines[0].split(maxsplit=1)[1]
    path = teacher / "seed-0" / "model.safetensors"
    assert told.startswith(f"teacher {path}: accuracy {accuracy['mean']:.3f}, mean F1 ")
    assert lines[-1] == "run: runs/convnet_small-mgd"
    row = next(line for line in lines if line.startswith("│ teacher, accuracy"))
    assert f"{accuracy['mean']:.4f}" in row
    folder = tmp_path / "runs/convnet_small-mgd"
    assert "train_mgd" in (folder / "seed-1" / "log.csv").read_text()
    # What learns beside the network is not kept.
    assert {path.name for path in (folder / "seed-1").iterdir()} == {
        *("log.csv", "metrics.json", "model.safetensors")
    }


def test_measured_weights_are_told_and_kept(distill, tmp_path):
    outcome = distill("--method", "attention", "--balance", 0.3, "--run", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    stage = json.loads((tmp_path / "run/seed-0/metrics.json").read_text())["stages"]["training"]
    weight = stage["loss_weights"]["attention"]
    assert f"seed-0: measured weights: attention {weight:.3g} " in outcome.out.replace("\n", " ")


def test_places_are_given_for_student_and_teacher(distill, tmp_path):
    places = ("--student-place", "stage1", "--teacher-place", "stage2")
    outcome = distill("--method", "attention", *places, "--run", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    (loss,) = config(tmp_path / "run")["losses"]
    assert (loss["student"], loss["teacher"]) == ("stage1", "stage2")


def test_a_checkpoint_of_timm_teaches_with_the_name_of_its_network(nas, tmp_path):
    network = timm.create_model("resnet10t", num_classes=3)
    path, run = tmp_path / "birds.pth", tmp_path / "run"
    torch.save({"state_dict": network.state_dict()}, path)
    teacher = ("--teacher", path, "--teacher-model", "resnet10t")
    size = ("--set", "teacher_model.input_size=[32, 32]", "--run", run)
    places = ("--student-place", "penultimate")
    outcome = nas("distill", *TINY, *NETWORK, *teacher, *size, "--method", "similarity", *places)
    assert outcome.code == 0, outcome.err
    assert f"teacher {path}: it knows other classes" in outcome.out
    assert "images are resized from 8x8 to 32x32 and normalised as it was trained" in outcome.out
    outcome = nas("distill", *TINY, *NETWORK, *teacher, *size[:2], "--method", "dist")
    assert outcome.code == 2
    assert "its logits cannot be compared by 'dist'" in outcome.err


def test_several_losses_are_added(distill, tmp_path):
    outcome = distill("--method", "soft_target", "--method", "attention")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "runs/convnet_small-soft_target-attention"
    header = (folder / "seed-0" / "log.csv").read_text().splitlines()[0]
    assert {"train_task", "train_soft_target", "train_attention"} <= set(header.split(","))


def test_weight_ratio_and_options_belong_to_the_loss(distill, tmp_path):
    totals = {}
    for name, options in {
        "weight": ("--weight", 3),
        "ratio": ("--ratio", 0.75),
        "option": ("--weight", 3, "--option", "temperature=1"),
    }.items():
        outcome = distill("--method", "soft_target", "--run", name, *options)
        assert outcome.code == 0, outcome.err
        header, row = (tmp_path / name / "seed-0" / "log.csv").read_text().splitlines()
        totals[name] = dict(zip(header.split(","), row.split(","), strict=True))
    # A ratio of 0.75 is the weight 0.75 / 0.25.
    assert totals["ratio"] == totals["weight"]
    assert totals["option"]["train_soft_target"] != totals["weight"]["train_soft_target"]
    found = {key: float(value) for key, value in totals["weight"].items() if key != "stage"}
    expected = found["train_task"] + 3 * found["train_soft_target"]
    assert found["train_loss"] == pytest.approx(expected, rel=1e-5)
    assert config(tmp_path / "option")["losses"][0]["options"] == {"temperature": 1}


STAGES = """
task: digits
model: {name: vgg8}
teacher: none
stages:
  - name: guide
    train: [stage1]
    task_weight: 0
    losses: [{method: hint, student: stage1, teacher: stage1}]
    training: {epochs: 2}
  - name: finish
    freeze: [stage1]
    losses: [{method: soft_target, ratio: 0.5}]
"""


def test_stages_come_from_a_file_and_options_override_it(distill, tmp_path):
    (tmp_path / "fitnet.yaml").write_text(STAGES)
    outcome = distill("--config", "fitnet.yaml")
    assert outcome.code == 0, outcome.err
    seen = [line.split()[1:5] for line in outcome.out.splitlines() if " epoch " in line]
    assert seen == [
        ["seed-0", "guide", "epoch", "1/2"],
        ["seed-0", "guide", "epoch", "2/2"],
        ["seed-0", "finish", "epoch", "1/1"],
    ]
    # The options name the network, the teacher and the epochs.
    folder = tmp_path / "runs/convnet_small"
    assert config(folder)["model"]["name"] == "convnet_small"
    assert config(folder)["training"]["epochs"] == 1
    assert "accuracy after guide" in outcome.out
    assert (folder / "seed-0" / "stages" / "guide.safetensors").is_file()


def test_a_run_of_a_file_alone_has_its_name(nas, teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load(STAGES) | {"teacher": str(teacher), "model": {"name": "convnet_small"}}
    del values["stages"]
    values |= {"losses": [{"method": "dist"}], "training": {"epochs": 1, "batch_size": 20}}
    values |= {"task_options": {"size": 8, "train": 60, "validation": 40, "test": 40}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    outcome = nas("distill", "--config", "mine.yaml", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "run: runs/mine"

    # A method on the command line takes the place of the file's losses.
    outcome = nas("distill", "--config", "mine.yaml", "--device", "cpu", "--method", "hint")
    assert outcome.code == 0, outcome.err
    (loss,) = config(tmp_path / "runs/mine-hint")["losses"]
    assert loss["method"] == "hint"


def test_every_loss_is_listed_with_its_paper(nas):
    outcome = nas("distill", "--list")
    assert outcome.code == 0
    names = {
        line.split("│")[1].strip() for line in outcome.out.splitlines() if line.startswith("│")
    }
    assert names - {""} == set(METHODS)
    assert outcome.out.count("https://") == len(METHODS)
    # Neither is what a network gives, nor is a link broken over lines.
    assert "student_channels" not in outcome.out
    assert "https://arxiv.org/abs/1503.02531" in outcome.out
