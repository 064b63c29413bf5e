from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

import latency
from nas.evaluation.latency import calibration


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    """No measurement waits for others on this machine, and no user's calibration is touched."""
    (tmp_path / "locks").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "locks"))
    monkeypatch.setattr(calibration, "_MOST_SAMPLES", 12)
    # A busy machine is measured once, like a quiet one.
    for limit in ("INTERVAL_LIMIT", "DRIFT_LIMIT", "UNREST_LIMIT"):
        monkeypatch.setattr(f"latency.measuring.noise.{limit}", 1e6)


@pytest.fixture
def network(tmp_path) -> Path:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1))
    return latency.export_onnx(model, (1, 3, 16, 24), tmp_path / "small.onnx")


def rows(output: str) -> dict[str, str]:
    """The rows of a table of two columns."""
    cells = (line.strip("│").split("│") for line in output.splitlines() if line.count("│") == 3)
    return {name.strip(): value.strip() for name, value in cells}


def test_an_onnx_file_tells_how_long_how_sure_and_where(nas, network):
    outcome = nas("latency", network, "--runs", 20)
    assert outcome.code == 0, outcome.err
    found = rows(outcome.out)
    assert re.fullmatch(r"\d+\.\d\d ms, the median of 20 runs", found["latency"])
    assert re.fullmatch(r"\d+\.\d\d to \d+\.\d\d ms", found["95 % interval"])
    assert found["input"] == "1x3x16x24"
    assert found["engine"].startswith("onnxruntime (CPUExecutionProvider")
    assert "threads: 1, float32" in found["device"]
    assert "predicted" not in found


def test_measure_is_what_is_done_unless_another_command_is_named(nas, network):
    assert nas("latency", "measure", network, "--runs", 20).code == 0
    assert nas("latency", "--runs", 20, network).code == 0


def test_layers_and_their_picture(nas, network, tmp_path):
    picture = tmp_path / "layers.png"
    outcome = nas("latency", network, "--runs", 20, "--layers", "--plot", picture)
    assert outcome.code == 0, outcome.err
    assert "Where the time goes" in outcome.out
    assert outcome.out.splitlines()[-1] == f"plot: {picture}"
    with Image.open(picture) as image:
        assert image.width == 1000


def test_a_candidate_is_predicted_once_the_device_is_calibrated(nas, finished_run, tmp_path):
    before = nas("latency", finished_run, "--trial", 0, "--runs", 20)
    assert before.code == 0, before.err
    assert "predicted" not in rows(before.out)
    done = nas("latency", "calibrate", "--space", finished_run, "--networks", 3)
    assert done.code == 0, done.err
    assert rows(done.out)["networks measured"].startswith("3")
    after = nas("latency", finished_run, "--trial", 0, "--runs", 20, "--layers", "--depth", 1)
    assert after.code == 0, after.err
    found = rows(after.out)
    assert re.fullmatch(r"\d+\.\d\d ms, [+-]\d+\.\d% of the measured", found["predicted"])
    assert re.fullmatch(r"\d+\.\d\d ms, by the reference network", found["when it is idle"])
    assert re.search(r"│ encoder +│ \d+ layers +│ .* │ +[\d.]+ │ +[\d.]+% │ +[\d.]+ │", after.out)
    # The CPU that stands in has been calibrated.
    options = ("--device", "cuda:97", "--allow-fallback", "--runs", 20)
    stood_in = nas("latency", finished_run, "--trial", 0, *options)
    assert stood_in.code == 0, stood_in.err
    assert {"predicted", "when it is idle"} <= set(rows(stood_in.out))
    assert "measured on the CPU, because device cuda:97" in stood_in.out
    # Another engine is another device.
    eager = nas("latency", finished_run, "--best", "--runs", 20, "--engine", "torch", "--layers")
    assert eager.code == 0, eager.err
    assert not {"predicted", "when it is idle"} & set(rows(eager.out))
    assert "torch eager" in rows(eager.out)["engine"]


def test_a_calibration_that_cannot_be_read_is_told_of_and_refuses_nothing(
    nas, network, tmp_path, monkeypatch
):
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{}")
    monkeypatch.setattr("nas.deployment.network_latency.predictor_path", lambda device: damaged)
    outcome = nas("latency", network, "--runs", 20)
    assert outcome.code == 0, outcome.err
    assert "when it is idle" not in rows(outcome.out)
    told = outcome.out.splitlines()[-1]
    assert told == f"{damaged}: this calibration cannot be read: calibrate the device again."


def test_memory_is_counted(nas, network):
    outcome = nas("latency", network, "--runs", 20, "--memory")
    assert outcome.code == 0, outcome.err
    found = rows(outcome.out)
    # 3*8*9+8 and 8*2+2 weights; the map of 8x14x22 and the output of 2x14x22, as the image is read.
    assert found["weights"] == "968 B"
    assert found["activations at once"] == "14.5 kB"
    assert found["peak"] == "15.4 kB"


def test_a_device_that_counts_no_energy_says_so_in_a_sentence(nas, network, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "latency.measuring.energy_meters.RaplMeter.__init__.__defaults__", (tmp_path,)
    )
    outcome = nas("latency", network, "--runs", 20, "--energy")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == (
        "energy is not measured: the energy of the processor is not counted here: "
        f"{tmp_path} has no RAPL package."
    )


def test_energy_is_told_by_run_and_above_the_idle_device(nas, network, monkeypatch):
    class Meter:
        source = "RAPL"

        def read(self) -> float:
            return 0.0

    monkeypatch.setattr("latency.measuring.energy.open_meter", lambda device: Meter())
    monkeypatch.setattr("latency.measuring.energy._idle_watts", lambda meter, seconds: 10.0)
    monkeypatch.setattr(
        "latency.measuring.energy._use", lambda meter, run, seconds: (4, 2.0, 60_000.0)
    )
    outcome = nas("latency", network, "--runs", 20, "--energy")
    assert outcome.code == 0, outcome.err
    found = rows(outcome.out)
    assert found["whole device"] == "1.5e+04 mJ"
    assert found["above the idle device"] == "1e+04 mJ"
    assert found["power"] == "30 W, idle 10 W"
    assert found["counted by"] == "RAPL, 4 runs in 2.0 s"


def test_a_file_with_an_open_batch_is_measured_with_one_image(nas, tmp_path):
    model = nn.Conv2d(3, 2, 1)
    path = latency.export_onnx(model, (1, 3, 16, 24), tmp_path / "open.onnx", dynamic_batch=True)
    outcome = nas("latency", path, "--runs", 20)
    assert outcome.code == 0, outcome.err
    assert rows(outcome.out)["input"] == "1x3x16x24"


def test_another_size_of_the_image(nas, finished_run):
    outcome = nas(
        *("latency", finished_run, "--runs", 20, "--size", "48x40"),
        *("--genotype", "[[2,[0,1,3,4]],[[1,0]]]"),
    )
    assert outcome.code == 0, outcome.err
    assert rows(outcome.out)["input"] == "1x3x48x40"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere: no such run folder, network or ONNX file."),
        (("--device", "tpu"), "device 'tpu' is not known: use cpu, cuda or cuda:N."),
        (("--engine", "caffe"), "there is no engine 'caffe'; choose one of onnxruntime"),
        (("--runs", "3"), "3 runs are too few for a latency"),
        (("--size", "48"), "--size '48': expected HEIGHTxWIDTH, for example 128x128."),
        (("--size", "32x32"), "it takes inputs of shape (1, 3, 16, 24), not (1, 3, 32, 32)."),
        (("--trial", "1"), "this is an ONNX file; --trial, --best and --genotype belong to a run."),
        (("--depth", "0"), "--depth 0: give at least 1."),
        (("--rows", "0"), "--rows 0: show at least 1."),
        (("--plot", "layers.gif"), "--plot layers.gif: the name has to end in .png, .svg or .pdf."),
        (("--layers", "--engine", "tensorrt"), "tensorrt does not tell what its layers take"),
    ],
)
def test_wrong_use_is_refused_in_one_sentence(refused, network, arguments, message):
    target = [] if arguments == ("nowhere",) else [network]
    assert message in refused("latency", *target, *arguments)


def test_a_missing_gpu_is_refused(refused, network):
    assert "device cuda:97 is not there" in refused("latency", network, "--device", "cuda:97")


def test_a_run_needs_to_be_told_which_candidate(refused, finished_run):
    assert "say which candidate: --best, --trial N" in refused("latency", finished_run)
    assert "no finished trial 99" in refused("latency", finished_run, "--trial", 99)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--space", "nospace"),
            "--space nospace: no such run folder or YAML file, and there is no search space",
        ),
        (("--space", "fastnas", "--networks", "0"), "--networks 0: measure at least 1."),
        (
            ("--space", "fastnas", "--engine", "torch.compile"),
            "latencies of the engine torch.compile cannot be predicted",
        ),
    ],
)
def test_wrong_calibrations_are_refused(refused, arguments, message):
    assert message in refused("latency", "calibrate", *arguments)
