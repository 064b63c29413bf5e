from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

import nas
from latency import ExportError, predictor
from nas.api.arguments import length
from nas.deployment.evaluation import evaluate
from nas.deployment.int8 import Int8Options, OnnxNetwork
from nas.deployment.onnx_export import ExportOptions
from nas.deployment.selection import Selection, select
from nas.distillation.terms import TermSettings
from nas.errors import UserError
from nas.kinds.network_file import describe
from nas.kinds.segmentation.kind import SegmentationKind, phases
from nas.kinds.segmentation.scoring import score_network
from nas.kinds.segmentation.settings import SegmentationFitSettings
from nas.retraining.options import RetrainOptions, RetrainStages, training_of
from nas.retraining.retrain import retrain
from nas.searching import full_trainer
from nas.searching.config import image_config
from nas.searching.images import load_task, reward_on
from nas.searching.run_folder import RunFolder
from nas.settings import validate
from nas.training.stage_settings import StageSettings

TRAINING = SegmentationFitSettings(epochs=2, batch_size=8, learning_rate=0.01, polyak=None)
OPTIONS = RetrainOptions(TRAINING, distill=False, device="cpu")


@pytest.fixture(scope="module")
def retrained(finished_search, tmp_path_factory) -> tuple[RunFolder, Path, dict]:
    """A run, the folder of its retrained trial 0, and the metrics."""
    run = shutil.copytree(finished_search[0], tmp_path_factory.mktemp("retrained") / "run")
    metrics = _retrain(run, OPTIONS)
    return RunFolder.open(run), run / "retrain/trial-0-no-distillation", metrics


def _retrain(
    folder: Path, options: RetrainOptions, on_epoch=lambda stage, record, epochs: None
) -> dict:
    run = RunFolder.open(folder)
    (choice,) = select(run, Selection(trials=(0,)))
    return retrain(run, run.config(), choice, options, on_epoch)


def _log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_all_of_the_network_and_no_checkpoint(retrained) -> None:
    _, folder, _ = retrained
    assert {path.name for path in folder.iterdir()} == {
        *("model.safetensors", "model.onnx", "metrics.json", "genotype.json", "log.csv")
    }


def test_the_metrics_are_those_of_the_file_and_strict_json(retrained) -> None:
    run, folder, metrics = retrained

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (folder / "metrics.json").read_text()
    assert json.loads(text, parse_constant=refuse) == metrics
    assert set(metrics) == {
        *("identity", "genotype", "distillation", "search_quality", "epochs", "first_epoch"),
        "best_epoch",
        *("loss_weights", "validation", "test", "costs", "latency", "notes", "onnx"),
    }
    assert metrics["distillation"] is False and metrics["epochs"] == 2
    assert set(metrics["test"]) == {"quality", "macro", "groups", "f1", "iou", "accuracy"}
    assert set(metrics["test"]["f1"]) == set(load_task(run.config()).classes)
    assert set(metrics["costs"]) == {"params", "macs", "flops", "latency"}
    assert metrics["latency"]["provider"] == "CPUExecutionProvider"
    assert metrics["latency"]["runs"] >= 20 and metrics["notes"] == []
    assert metrics["onnx"]["opset"] == 18 and metrics["onnx"]["largest_difference"] <= 1e-4


def test_the_best_epoch_of_the_validation_split_is_kept(retrained) -> None:
    _, folder, metrics = retrained
    rows = _log(folder)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    qualities = [float(row["score"]) for row in rows]
    assert metrics["best_epoch"] == int(np.argmax(qualities)) + 1
    assert metrics["validation"]["quality"] == pytest.approx(max(qualities), abs=1e-6)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_scores_are_those_of_the_loaded_network(retrained, split) -> None:
    run, folder, metrics = retrained
    config = run.config()
    task = load_task(config)
    card = score_network(nas.load(folder), task, split, torch.device("cpu"))
    for metric, values in card.scores.items():
        assert metrics[split][metric] == pytest.approx(values, abs=1e-6)
    assert metrics[split]["groups"] == pytest.approx(card.groups, abs=1e-6)
    quality = reward_on(task, config).quality(card.scores)
    assert metrics[split]["quality"] == pytest.approx(quality, abs=1e-6)


def test_the_counts_are_those_of_the_loaded_network(retrained) -> None:
    _, folder, metrics = retrained
    network = nas.load(folder)
    assert metrics["costs"]["params"] == sum(p.numel() for p in network.parameters())
    assert metrics["costs"]["flops"] == 2 * metrics["costs"]["macs"]


def test_the_onnx_file_gives_the_logits_of_the_loaded_network(retrained) -> None:
    _, folder, _ = retrained
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = nas.load(folder / "model.safetensors")(images)
    (found,) = session.run(None, {"image": images.numpy()})
    assert expected.shape == (1, 11, 32, 32)
    assert expected.std() > 0
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_a_finished_retraining_is_returned_without_training_again(retrained, monkeypatch) -> None:
    run, _, metrics = retrained

    def train(*arguments: object, **options: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(full_trainer, "train_stages", train)
    assert _retrain(run.path, OPTIONS) == metrics


@pytest.mark.parametrize(
    "change",
    [
        {"training": TRAINING.model_copy(update={"epochs": 3})},
        {"seed": 1},
        {"export": ExportOptions(opset=17)},
        {"export": ExportOptions(dynamic_batch=True)},
        {"export": ExportOptions(int8=Int8Options())},
    ],
    ids=["epochs", "seed", "opset", "batch", "int8"],
)
def test_other_settings_for_a_finished_folder_are_refused(retrained, change) -> None:
    run, folder, _ = retrained
    before = (folder / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(UserError, match="it holds a retrained network of other settings"):
        _retrain(run.path, replace(OPTIONS, **change))
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_an_interrupted_retraining_ends_as_if_it_had_not_been(
    retrained, own_run, monkeypatch
) -> None:
    def interrupt(*epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _retrain(own_run, OPTIONS, interrupt)
    folder = own_run / "retrain/trial-0-no-distillation"
    assert [path.name for path in folder.iterdir()] == ["retrain.pt"]

    epochs: list[int] = []
    metrics = _retrain(own_run, OPTIONS, lambda stage, record, total: epochs.append(record.epoch))
    _, uninterrupted, expected = retrained
    assert epochs == [1]
    assert _log(folder) == _log(uninterrupted)
    assert metrics["test"] == expected["test"]
    assert metrics["best_epoch"] == expected["best_epoch"]
    found, wanted = (load_file(f / "model.safetensors") for f in (folder, uninterrupted))
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value)


def test_other_settings_for_an_interrupted_folder_are_refused(own_run) -> None:
    def interrupt(*epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _retrain(own_run, OPTIONS, interrupt)
    with pytest.raises(UserError, match="belongs to a training with other settings"):
        _retrain(own_run, replace(OPTIONS, seed=1))


def test_distillation_learns_from_the_teacher_in_a_folder_of_its_own(retrained, own_run) -> None:
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    distilled = _retrain(own_run, replace(OPTIONS, training=one_epoch, distill=True))
    plain = _retrain(own_run, replace(OPTIONS, training=one_epoch))
    folder = own_run / "retrain"
    assert {path.name for path in folder.iterdir()} == {"trial-0", "trial-0-no-distillation"}
    assert (distilled["distillation"], plain["distillation"]) == (True, False)
    losses = [_log(folder / name)[0]["loss"] for name in ("trial-0", "trial-0-no-distillation")]
    # The loss towards the teacher comes on top.
    assert float(losses[0]) > float(losses[1])


def test_other_losses_than_the_search_had_can_be_learned_from(own_run) -> None:
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    losses = (TermSettings(method="attention"),)
    told: list[str] = []
    options = replace(OPTIONS, training=one_epoch, distill=True, losses=losses)
    metrics = _retrain(own_run, options, lambda stage, record, epochs: told.append(stage))
    assert told == ["retrain"]
    assert metrics["test"]["quality"] >= 0
    with pytest.raises(UserError, match="other settings"):
        _retrain(own_run, replace(options, losses=()))


def test_the_losses_of_the_configuration_are_learned_from_unless_others_are_given(own_run) -> None:
    config = image_config("segmentation")()
    assert [loss.method for loss in config.retraining_losses] == ["channel_wise"]
    run = RunFolder.open(own_run)
    run.save_config(run.config().model_copy(update={"retraining_losses": ()}))
    with pytest.raises(UserError, match=r"no retraining_losses.*--distill\.method"):
        _retrain(own_run, replace(OPTIONS, distill=True))


def test_stages_that_cannot_work_are_refused_before_anything_is_trained(
    own_run, monkeypatch
) -> None:
    def train(*arguments: object) -> None:
        raise AssertionError("stage 0 was spent on them")

    monkeypatch.setattr(phases, "decoder_phase", train)
    wrong = StageSettings(name="one", freeze=("nowhere",), losses=({"method": "attention"},))
    with pytest.raises(UserError, match="no module 'nowhere'"):
        _retrain(own_run, replace(OPTIONS, distill=True, stages=(wrong,)))


def test_stages_follow_each_other_and_frozen_parts_stay(own_run) -> None:
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    hint = {
        "name": "hint",
        "train": ["encoder"],
        "task_weight": 0,
        "losses": [{"method": "hint", "student": "stride=8"}],
    }
    rest = {"name": "rest", "freeze": ["encoder"], "losses": [{"method": "soft_target"}]}
    steps = validate(RetrainStages, {"stages": [hint, rest]}, "stages.yaml")
    told: list[str] = []
    metrics = _retrain(
        own_run,
        replace(OPTIONS, training=one_epoch, distill=True, stages=steps.stages),
        lambda stage, record, epochs: told.append(f"{stage} {record.epoch + 1}/{epochs}"),
    )
    assert told == ["hint 1/1", "rest 1/1"]
    assert (metrics["epochs"], metrics["best_epoch"]) == (2, 2)
    folder = own_run / "retrain/trial-0"
    assert [row["stage"] for row in _log(folder)] == ["hint", "rest"]
    assert not list(folder.glob("*.pt"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distill": False}, "distillation is off"),
        ({"stages": (StageSettings(name="one"),)}, "give the losses within the stages"),
        (
            {
                "losses": (),
                "distill": False,
                "stages": (
                    StageSettings(name="plain"),
                    StageSettings(name="hint", losses=({"method": "attention"},)),
                ),
            },
            "stage 'hint' has losses .* but distillation is off; leave out --no-distillation",
        ),
        (
            {"losses": (), "stages": (StageSettings(name="plain"),)},
            "no stage has a loss towards the search's teacher",
        ),
    ],
)
def test_losses_that_would_have_no_effect_are_refused(change, message) -> None:
    losses = (TermSettings(method="attention"),)
    with pytest.raises(UserError, match=message):
        replace(OPTIONS, **({"distill": True, "losses": losses} | change))


def test_without_a_teacher_distillation_is_refused_and_nothing_is_left(own_run) -> None:
    run = RunFolder.open(own_run)
    config = run.config()
    off = config.evaluation.distillation.model_copy(update={"enabled": False})
    evaluation = config.evaluation.model_copy(update={"distillation": off})
    run.save_config(config.model_copy(update={"evaluation": evaluation}))
    with pytest.raises(UserError, match=r"the search had no teacher.*leave out --distillation"):
        _retrain(own_run, replace(OPTIONS, distill=True))
    assert list(run.retrain.iterdir()) == []


def test_a_class_that_is_in_no_test_mask_has_no_score(own_run, monkeypatch) -> None:
    def without_skin(self, network, task, split, device):
        card = score_network(network, task, split, device)
        if split == "validation":
            return card
        scores = {
            metric: {**values, "skin": float("nan")} for metric, values in card.scores.items()
        }
        return replace(card, scores=scores)

    monkeypatch.setattr(SegmentationKind, "score", without_skin)
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    metrics = _retrain(own_run, replace(OPTIONS, training=one_epoch))
    assert metrics["test"]["f1"]["skin"] is None
    # It earns reward, so there is no quality on this split either.
    assert metrics["test"]["quality"] is None
    assert metrics["validation"]["quality"] > 0
    assert "NaN" not in (own_run / "retrain/trial-0-no-distillation/metrics.json").read_text()


def test_an_opset_that_cannot_be_written_is_refused_before_training() -> None:
    with pytest.raises(UserError, match="opset 15 is not known; use 16 to 20"):
        ExportOptions(opset=15)
    with pytest.raises(UserError, match="int8 with 0 calibration images: give at least 1"):
        ExportOptions(int8=Int8Options(images=0))


def test_a_network_that_cannot_be_exported_is_refused_before_training(own_run, monkeypatch) -> None:
    def train(*arguments: object) -> None:
        raise AssertionError("stage 0 was spent on it")

    def refuse(*arguments: object) -> None:
        raise ExportError("the exported network does not take batches of any size.")

    monkeypatch.setattr(phases, "decoder_phase", train)
    monkeypatch.setattr("latency.exporting.export._check_batches", refuse)
    with pytest.raises(UserError, match="does not take batches of any size"):
        _retrain(own_run, replace(OPTIONS, export=ExportOptions(dynamic_batch=True)))


def test_an_open_batch_and_int8_are_scored_and_measured_beside_float32(own_run) -> None:
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    export = ExportOptions(17, dynamic_batch=True, int8=Int8Options(images=6))
    limited = RunFolder.open(own_run)
    limited.save_config(limited.config().model_copy(update={"limits": {"params": 1e9}}))
    metrics = _retrain(own_run, replace(OPTIONS, training=one_epoch, export=export))
    folder = own_run / "retrain/trial-0-no-distillation"
    assert (metrics["onnx"]["opset"], metrics["onnx"]["dynamic_batch"]) == (17, True)
    assert predictor(folder / "model.onnx")(np.zeros((3, 3, 32, 32), np.float32)).shape[0] == 3
    found = metrics["int8"]
    assert (found["file"], found["calibration_images"]) == ("model.int8.onnx", 6)
    assert found["float32"]["latency"] == metrics["latency"]
    assert found["int8"]["latency"]["device"]["precision"] == "int8"
    assert found["int8"]["size"] == (folder / "model.int8.onnx").stat().st_size
    run = RunFolder.open(own_run)
    task = load_task(run.config())
    for name in ("model.onnx", "model.int8.onnx"):
        told = {one.key: one.value for one in onnx.load(folder / name).metadata_props}
        assert json.loads(told["mean"]) == pytest.approx(task.mean)
        assert json.loads(told["std"]) == pytest.approx(task.std)
        assert tuple(json.loads(told["classes"])) == task.classes
        assert json.loads(told["limits"]) == {"params": 1e9}
    network = OnnxNetwork(predictor(folder / "model.int8.onnx"))
    for split in ("validation", "test"):
        card = score_network(network, task, split, torch.device("cpu"))
        assert found[split]["f1"] == pytest.approx(card.scores["f1"], abs=1e-6, nan_ok=True)
        assert found[split]["quality"] == reward_on(task, run.config()).quality(card.scores)


def test_an_int8_version_that_is_broken_loses_nothing_else(own_run, monkeypatch) -> None:
    monkeypatch.setattr("latency.exporting.int8.MINIMUM_DECIBELS", 1000.0)
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    export = ExportOptions(int8=Int8Options(images=2))
    metrics = _retrain(own_run, replace(OPTIONS, training=one_epoch, export=export))
    assert list(metrics["int8"]) == ["failed"]
    assert "dB above their error, less than 1000 dB" in metrics["int8"]["failed"]
    assert metrics["test"]["quality"] >= 0
    folder = own_run / "retrain/trial-0-no-distillation"
    assert not (folder / "model.int8.onnx").exists()
    assert json.loads((folder / "metrics.json").read_text()) == metrics


def test_a_folder_that_counts_epochs_from_0_is_read_as_counted_from_1(retrained, tmp_path) -> None:
    run, _, metrics = retrained
    copy = shutil.copytree(run.path, tmp_path / "older")
    path = copy / "retrain/trial-0-no-distillation/metrics.json"
    older = {key: value for key, value in metrics.items() if key != "first_epoch"}
    path.write_text(json.dumps({**older, "best_epoch": metrics["best_epoch"] - 1}))
    assert _retrain(copy, OPTIONS) == metrics


def test_a_network_may_go_elsewhere_and_still_knows_its_images(own_run, tmp_path) -> None:
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    options = replace(OPTIONS, training=one_epoch, out=tmp_path / "network")
    metrics = _retrain(own_run, options)
    assert not any((own_run / "retrain").iterdir())
    found = evaluate(tmp_path / "network", "test", device="cpu")
    assert found.figures["none"]["mean_iou"] == [pytest.approx(metrics["test"]["macro"]["iou"])]
    # Drawn faces have the size that networks take.
    assert list(found.figures) == ["none"]


def test_a_candidate_can_be_trained_on_larger_images_than_the_search_had(own_run) -> None:
    searched = RunFolder.open(own_run).config()
    height, width = load_task(searched).input_size
    one_epoch = TRAINING.model_copy(update={"epochs": 1})
    larger = replace(
        OPTIONS,
        training=one_epoch,
        distill=True,
        task_options={"size": 2 * height},
    )
    metrics = _retrain(own_run, larger)
    assert metrics["task_options"] == {"size": 2 * height}
    place = own_run / "retrain/trial-0"
    assert describe(place).input_size == (2 * height, 2 * width)
    found = evaluate(place, "test", device="cpu")
    assert found.figures["none"]["mean_iou"] == [pytest.approx(metrics["test"]["macro"]["iou"])]
    graph = onnx.load(place / "model.onnx").graph
    shape = [one.dim_value for one in graph.input[0].type.tensor_type.shape.dim]
    assert shape[2:] == [2 * height, 2 * width]
    with pytest.raises(UserError, match="other settings"):
        _retrain(own_run, replace(larger, task_options={}))


def test_options_that_make_it_another_task_are_refused(own_run, tmp_path, monkeypatch) -> None:
    searched = load_task(RunFolder.open(own_run).config())
    other = replace(searched, classes=("hair", "hat"), reward_classes=())
    monkeypatch.setattr(
        full_trainer,
        "load_task",
        lambda config: other if config.task_options.get("hats") else searched,
    )
    options = replace(OPTIONS, out=tmp_path / "network", task_options={"hats": True})
    with pytest.raises(UserError, match=r"other classes than the search's, \('hair', 'hat'\)"):
        _retrain(own_run, options)
    assert not (tmp_path / "network").exists()


def test_a_folder_of_something_else_is_refused_before_training(own_run, tmp_path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"it holds notes\.txt, which is no retraining's"):
        _retrain(own_run, replace(OPTIONS, out=taken))
    with pytest.raises(UserError, match="this is a file"):
        _retrain(own_run, replace(OPTIONS, out=taken / "notes.txt"))


def test_epochs_that_are_given_count_where_the_search_gives_a_time() -> None:
    known = image_config("segmentation")()
    timed = known.model_copy(
        update={"retraining": known.retraining.model_copy(update={"time": 7200.0})}
    )
    assert training_of(timed, {}).time == 7200.0
    training = training_of(timed, length(3, None, section=""))
    assert (training.epochs, training.time) == (3, None)
