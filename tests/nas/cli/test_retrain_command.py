from __future__ import annotations

import json
import shutil

FAST = ("--device", "cpu", "--epochs", 1, "--set", "augmentation=none")


def test_one_network_is_shown_with_all_its_figures(nas, own_run) -> None:
    outcome = nas("retrain", own_run, "--genotype", "[[2,[0,1,3,4]],[[1,0]]]", *FAST)
    assert outcome.code == 0, outcome.err
    folder = own_run / "retrain/genotype-2-0-1-3-4-1-0"
    assert {path.name for path in folder.iterdir()} == {
        *("model.safetensors", "model.onnx", "metrics.json", "genotype.json", "log.csv")
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = dict(_cells(line) for line in outcome.out.splitlines() if line.count("│") == 3)
    assert metrics["search_quality"] is None and rows["quality in the search"] == "-"
    assert rows["quality on test"] == f"{metrics['test']['quality']:.4f}"
    assert rows["latency, median"] == f"{metrics['costs']['latency']:.2f} ms"
    low, high = metrics["latency"]["low_ms"], metrics["latency"]["high_ms"]
    assert rows["95 % interval"] == f"{low:.2f} to {high:.2f} ms"
    assert rows["machine"].startswith("busy: " if metrics["latency"]["noisy"] else "quiet: ")
    assert rows["engine"].endswith("CPUExecutionProvider")
    skin = [metrics["test"][metric]["skin"] for metric in ("f1", "iou", "accuracy")]
    assert "│ skin          │ {:.4f} │ {:.4f} │   {:.4f} │".format(*skin) in outcome.out
    assert outcome.out.splitlines()[-1] == f"network: {folder}"


def test_several_networks_are_a_table(nas, own_run) -> None:
    outcome = nas("retrain", own_run, "--trial", 0, "--trial", 2, "--no-distillation", *FAST)
    assert outcome.code == 0, outcome.err
    folders = [own_run / f"retrain/trial-{number}-no-distillation" for number in (0, 2)]
    assert outcome.out.splitlines()[-2:] == [f"network: {folder}" for folder in folders]
    for number, folder in zip((0, 2), folders, strict=True):
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["distillation"] is False
        (row,) = (line for line in outcome.out.splitlines() if f"│ trial-{number} " in line)
        assert f"│ {metrics['search_quality']:.4f} │" in row
        assert f" {metrics['validation']['quality']:.4f} │" in row


def test_larger_images_are_an_option_of_the_task_and_the_page_knows_them(nas, own_run) -> None:
    larger = ("--no-distillation", "--set", "task_options.size=64")
    outcome = nas("retrain", own_run, "--trial", 0, *larger, *FAST)
    assert outcome.code == 0, outcome.err
    folder = own_run / "retrain/trial-0-no-distillation"
    assert nas("evaluate", folder, "--device", "cpu").code == 0
    assert nas("report", own_run).code == 0
    page = (own_run / "report.html").read_text(encoding="utf-8")
    assert "no predictions are shown" not in page
    assert '"name":"trial-0-no-distillation","search":null' in page
    outcome = nas("retrain", own_run, "--trial", 1, "--set", "task_options=64", *FAST)
    assert outcome.code == 2
    assert "task_options: 64 is no mapping" in outcome.err
    outcome = nas("retrain", own_run, "--trial", 1, "--set", "task_options.sizes=64", *FAST)
    assert outcome.code == 2
    assert "task faces: unknown key 'sizes'; did you mean 'size'?" in outcome.err
    assert not (own_run / "retrain/trial-1").exists()


def test_what_was_deleted_is_trained_again_and_shown(nas, own_run) -> None:
    shutil.rmtree(own_run / "cache")
    outcome = nas("retrain", own_run, "--genotype", "[[2,[0,1,3,4]],[[1,0]]]", *FAST)
    assert outcome.code == 0, outcome.err
    trained = [line.split()[1] for line in outcome.out.splitlines() if "  epoch 1/" in line]
    assert trained[-1] == "genotype-2-0-1-3-4-1-0"
    assert "encoder" in trained[:-1] or "teacher" in trained[:-1]


def test_int8_is_shown_beside_float32(nas, own_run):
    options = ("--no-distillation", "--dynamic-batch", "--int8", "--int8-images", 4)
    outcome = nas("retrain", own_run, "--trial", 1, *options, *FAST)
    assert outcome.code == 0, outcome.err
    folder = own_run / "retrain/trial-1-no-distillation"
    metrics = json.loads((folder / "metrics.json").read_text())
    before, after = metrics["test"]["macro"]["iou"], metrics["int8"]["test"]["macro"]["iou"]
    assert "Int8 version of trial-1" in outcome.out
    (row,) = (
        line
        for line in outcome.out.splitlines()
        if line.startswith("│ mean IoU on test  ") and line.count("│") == 5
    )
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("mean IoU on test", f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
    ]


def test_stages_that_need_the_teacher_are_refused_without_it(refused, own_run, tmp_path):
    (tmp_path / "stages.yaml").write_text("stages: [{name: one, losses: [{method: attention}]}]")
    line = refused("retrain", own_run, "--best", "--no-distillation", "--stages", "stages.yaml")
    assert "stage 'one' has losses towards the search's teacher, but distillation is off" in line


def _cells(line: str) -> tuple[str, str]:
    name, value = (cell.strip() for cell in line.strip("│").split("│"))
    return name, value
