"""Wrong input of trainings without a search: one sentence, exit code 2, nothing left behind."""

from __future__ import annotations

import shutil

import pytest
import yaml

TINY = (
    *("--task", "digits", "--device", "cpu"),
    *("--set", "task_options={size: 8, train: 60, validation: 40, test: 40}"),
    *("--set", "training={batch_size: 20, augmentation: none, learning_rate: 0.003}"),
)
MODEL = ("--model", "convnet_small")


@pytest.fixture(scope="module")
def taught(nas, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers") / "teacher"
    outcome = nas("train", *TINY, *MODEL, "--epochs", 8, "--run", folder)
    assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture
def teacher(taught, tmp_path):
    """A run in the working folder."""
    return shutil.copytree(taught, tmp_path / "teacher")


TRAIN = {
    "no model": (
        ["--task", "digits"],
        ["--model is missing; name a network, for example --model resnet18."],
    ),
    "unknown model": (
        [*TINY, "--model", "convnet_smal"],
        ["no classifier is called 'convnet_smal'; did you mean 'convnet_small'"],
    ),
    "no epochs": ([*TINY, *MODEL, "--epochs", 0], ["settings: training.epochs: ", "equal to 1"]),
    "no seeds": ([*TINY, *MODEL, "--seeds", 0], ["settings: seeds: ", "equal to 1"]),
    "negative seed": ([*TINY, *MODEL, "--seed", -1], ["settings: seed: ", "equal to 0"]),
    "unknown setting of a segmentation": (
        ["--task", "faces", "--model", "lcnet_035", "--set", "encoder.name=resnet18"],
        ["settings: unknown key 'encoder'"],
    ),
    "weights of the task": (
        ["--task", "faces", "--model", "lcnet_035", "--weights", "task"],
        ["settings: model.weights: ", "this network is itself trained on the task"],
    ),
    "unknown model of a segmentation": (
        ["--task", "faces", "--model", "lcnet_35"],
        ["encoder 'lcnet_35' cannot be made: Unknown model (lcnet_35)."],
    ),
    "unknown setting": (
        [*TINY, *MODEL, "--set", "training.epoch=3"],
        ["settings: unknown key 'training.epoch'; did you mean 'epochs'?"],
    ),
    "option of the network": (
        [*TINY, *MODEL, "--set", "model.options={drop_rate: 0.1}"],
        ["classifier 'convnet_small' takes no options, so 'drop_rate' must go."],
    ),
    "option of the task": (
        ["--task", "digits", *MODEL, "--set", "task_options.sice=8"],
        ["task digits: unknown key 'sice'; did you mean 'size'?"],
    ),
    "two passes without dropout": (
        [*TINY, *MODEL, "--set", "training.r_drop=1"],
        ["r_drop compares two passes with different dropout", "model.options.drop_rate=0.1."],
    ),
    "unknown device": ([*TINY, *MODEL, "--device", "gpu"], ["device 'gpu' is not known"]),
    "unknown task": (["--task", "digit", *MODEL], ["no task or file 'digit'", "'digits'"]),
    "loss without teacher": (
        [*TINY, *MODEL, "--set", "losses=[{method: mgd}]"],
        ["need a teacher; give --teacher."],
    ),
    "weights that are no file": (
        [*TINY, *MODEL, "--weights", "none.safetensors"],
        ["classifier weights none.safetensors: not a readable safetensors file."],
    ),
    "folder in use": ([*TINY, *MODEL, "--run", "."], ["the folder is in use; choose another"]),
}


@pytest.mark.parametrize(("arguments", "parts"), TRAIN.values(), ids=TRAIN)
def test_wrong_options_of_a_training(refused, teacher, arguments, parts):
    line = refused("train", *arguments)
    for part in parts:
        assert part in line


HINT = ("--method", "hint")
DISTILL = {
    "unknown method": (
        ["--method", "mdg"],
        ["losses.0.method: ", "no distillation loss 'mdg'; did you mean 'mmd' or 'mgd' or 'mad'?"],
    ),
    "weight of two": (
        [*HINT, "--method", "mgd", "--weight", 2],
        ["--weight belongs to one --method, and there are 2; give several losses with their"],
    ),
    "option without method": (
        ["--option", "temperature=3"],
        ["--option belongs to a --method; give that too."],
    ),
    "weight and ratio": (
        [*HINT, "--weight", 1, "--ratio", 0.5],
        ["settings: losses.0: 'hint' has a weight and a ratio; give one of them."],
    ),
    "negative weight": ([*HINT, "--weight", -1], ["losses.0: weight must", "not -1.0"]),
    "unknown option": (
        ["--method", "soft_target", "--option", "temprature=3"],
        ["temprature", "temperature"],
    ),
    "option without value": ([*HINT, "--option", "scaling"], ["--option 'scaling': expected KEY"]),
    "no such teacher": (
        [*HINT, "--teacher", "nowhere"],
        ["teacher nowhere: no such file or folder; give a run of nas train."],
    ),
    "teacher without network": (
        [*HINT, "--teacher", "empty"],
        ["empty: no trained network there; make one with nas train or nas distill."],
    ),
    "unknown student": (
        [*HINT, "--model", "resnet_20"],
        ["no classifier is called 'resnet_20'; did you mean 'resnet20'"],
    ),
    "segmentation taught by a classifier": (
        [*HINT, "--task", "faces", "--set", "task_options={}", "--model", "lcnet_035"],
        ["teacher/seed-0/model.safetensors: it is a network for classification, and task"],
    ),
    "mixed classes": (
        ["--method", "dkd", "--set", "training.mixing=mixup"],
        ["mixing mixup gives shares of the classes, and a loss here needs the true class"],
    ),
    "loss for maps": (
        ["--method", "channel_wise"],
        ["'channel_wise'", "maps"],
    ),
    "no epochs": ([*HINT, "--epochs", 0], ["settings: training.epochs: ", "equal to 1"]),
    "no seeds": ([*HINT, "--seeds", 0], ["settings: seeds: ", "equal to 1"]),
    "folder of other settings": (
        [*HINT, "--run", "teacher"],
        ["teacher: it holds a run of other settings (teacher, losses, training.epochs); choose"],
    ),
    "no such file": ([*HINT, "--config", "no.yaml"], ["no.yaml: no such file."]),
    "a file of something else": (
        [*HINT, "--config", "teacher/seed-0/log.csv"],
        ["expected keys and values, found str."],
    ),
}


@pytest.mark.parametrize(("options", "parts"), DISTILL.values(), ids=DISTILL)
def test_wrong_options_of_a_distillation(refused, teacher, tmp_path, options, parts):
    (tmp_path / "empty").mkdir()
    line = refused("distill", *TINY, *MODEL, "--epochs", 1, "--teacher", "teacher", *options)
    for part in parts:
        assert part in line


@pytest.mark.parametrize("missing", ["task", "model", "teacher"])
def test_what_a_distillation_cannot_do_without(refused, teacher, tmp_path, missing):
    given = {"task": "digits", "model": "convnet_small", "teacher": "teacher"}
    del given[missing]
    options = [part for key, value in given.items() for part in (f"--{key}", value)]
    expected = f"nas: --{missing} is missing; give it, or a --config that holds it."
    assert refused("distill", *HINT, *options) == expected
    (tmp_path / "empty.yaml").touch()
    assert refused("distill", *options, "--config", "empty.yaml") == expected


STAGE = {"name": "guide", "losses": [{"method": "hint"}]}
STAGES = {
    "wrong key": ({"trian": ["stage1"]}, ["unknown key 'stages.0.trian'; did you mean 'train'?"]),
    "wrong key of a loss": (
        {"losses": [{"methode": "hint"}]},
        ["unknown key 'stages.0.losses.0.methode'; did you mean 'method'?"],
    ),
    "wrong key of its training": (
        {"training": {"epoch": 2}},
        ["training: unknown key 'epoch'; did you mean 'epochs'?"],
    ),
    "unknown module": (
        {"train": ["stage_1"]},
        ["train: the network has no module 'stage_1'; did you mean 'stage1'?"],
    ),
    "unknown module of a hint": (
        {"losses": [{"method": "hint", "student": "stage9", "teacher": "stage1"}]},
        ["the network has no module 'stage9'; did you mean 'stage"],
    ),
    "sizes that differ": (
        {"losses": [{"method": "hint", "student": "stage1", "teacher": "stage2"}]},
        ["(1, 16, 8, 8) of the student and (1, 32, 4, 4) of the teacher"],
    ),
    "unknown earlier stage": (
        {"start": "warmup"},
        ["stage guide: it starts from 'warmup', which is no earlier stage; choose one of initial."],
    ),
    "a hint before what learns": (
        {"freeze": ["stage1"], "losses": [{"method": "hint", "student": "stage1"}]},
        ["'hint' has the module 'stage1' of the student and none of the teacher; give both"],
    ),
    "a hint that teaches nothing": (
        {
            "freeze": ["stage1"],
            "losses": [{"method": "hint", "student": "stage1", "teacher": "stage1"}],
        },
        ["the loss 'hint' compares a place before everything that learns"],
    ),
}


@pytest.mark.parametrize(("changes", "parts"), STAGES.values(), ids=STAGES)
def test_wrong_stages(refused, teacher, tmp_path, changes, parts):
    (tmp_path / "stages.yaml").write_text(yaml.safe_dump({"stages": [STAGE | changes]}))
    line = refused("distill", *TINY, *MODEL, "--teacher", "teacher", "--config", "stages.yaml")
    for part in parts:
        assert part in line


def test_a_method_beside_stages(refused, teacher, tmp_path):
    (tmp_path / "stages.yaml").write_text(yaml.safe_dump({"stages": [STAGE]}))
    options = (*TINY, *MODEL, "--teacher", "teacher", "--config", "stages.yaml", *HINT)
    assert refused("distill", *options) == (
        "nas: stages.yaml: losses (--method) are those of a training without stages; give them "
        "within the stages, or leave the stages out."
    )


EVALUATE = {
    "unknown split": (["teacher", "--split", "tset"], ["no split 'tset'; did you mean 'test'?"]),
    "views alone": (["teacher", "--views", "flip"], ["--views belongs to --tta; give both."]),
    "unknown views": (
        ["teacher", "--tta", "--views", "five_crop"],
        ["views 'five_crop': a classification task has none such; choose one of flip, ten_crop."],
    ),
    "no such folder": (
        ["nowhere"],
        ["nowhere: no config.yaml there; give the folder of a run of nas train"],
    ),
    "unknown device": (["teacher", "--device", "gpu"], ["device 'gpu' is not known"]),
    "data of a built-in task": (
        ["teacher", "--data", "teacher"],
        ["the task 'digits' brings its own images; remove --data."],
    ),
}


@pytest.mark.parametrize(("arguments", "parts"), EVALUATE.values(), ids=EVALUATE)
def test_wrong_options_of_an_evaluation(refused, teacher, arguments, parts):
    line = refused("evaluate", *arguments)
    for part in parts:
        assert part in line


def test_a_run_without_a_trained_network_is_not_evaluated(refused, teacher):
    (teacher / "seed-0" / "model.safetensors").unlink()
    line = refused("evaluate", "teacher")
    assert "teacher: no trained network there; make one with nas train or nas distill." in line
