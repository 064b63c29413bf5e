from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from nas.errors import UserError
from nas.kinds import ahead
from nas.kinds.segmentation.preparation import prepare
from nas.kinds.teacher import train_teacher
from nas.models.encoder import fingerprint
from nas.settings import read_yaml

CPU = torch.device("cpu")


@pytest.fixture
def untrained(make_settings, teacher_settings):
    """Settings with which both the encoder and the teacher are trained."""
    return make_settings(
        encoder={"weights": "task"},
        pretraining={"epochs": 2, "batch_size": 12, "augmentation": "none"},
        distillation={"enabled": True},
        teacher=teacher_settings,
    )


def test_both_trainings_give_what_they_give_one_after_the_other(
    whole_faces, untrained, tmp_path, monkeypatch
):
    found = {}
    for cores in (1, 2):
        told = []
        monkeypatch.setattr(ahead, "pays_off", lambda device, cores=cores: cores > 1)
        parts = prepare(
            whole_faces,
            untrained,
            tmp_path / str(cores),
            CPU,
            0,
            lambda what, record, epochs, told=told: told.append((what, record, epochs)),
        )
        found[cores] = (
            fingerprint(parts.encoder.state_dict()),
            parts.teacher.identity,
            sorted(told, key=lambda news: (news[0], news[1].epoch)),
        )
    assert found[1] == found[2]
    assert [(what, record.epoch) for what, record, _ in found[2][2]] == [
        ("encoder", 0),
        ("encoder", 1),
        ("teacher", 0),
        ("teacher", 1),
    ]
    # What is trained already needs no second process.
    monkeypatch.setattr(ahead, "beside", None)
    prepare(whole_faces, untrained, tmp_path / "2", CPU, 0)


def test_a_mistake_of_the_user_arrives_from_the_other_process(whole_faces, make_settings, tmp_path):
    missing = {"name": "lcnet_035", "weights": str(tmp_path / "nowhere")}
    settings = make_settings(teacher={"encoder": missing}).teacher
    train = partial(train_teacher, settings, whole_faces, tmp_path, CPU, 0)
    with (
        pytest.raises(UserError, match="nowhere: not a readable safetensors file"),
        ahead.beside(train, lambda *_: None),
    ):
        pass


@pytest.mark.filterwarnings("ignore")
def test_the_death_of_the_other_process_is_told_and_the_threads_come_back():
    torch.set_num_threads(2)
    # It is called with a function in place of a path.
    with (
        pytest.raises(RuntimeError, match="died with exit code 1"),
        ahead.beside(read_yaml, lambda *_: None),
    ):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("device", "cores", "expected"), [("cpu", 2, True), ("cpu", 1, False), ("cuda", 8, False)]
)
def test_a_second_process_needs_a_second_core(monkeypatch, device, cores, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert ahead.pays_off(torch.device(device)) is expected


STARTS_A_TRAINING = """
import multiprocessing, time
from nas.kinds.ahead import beside

if __name__ == "__main__":
    with beside({train}, print):
        print(multiprocessing.active_children()[0].pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_other_training_ends_with_the_process_that_started_it(tmp_path, how):
    (tmp_path / "endless.py").write_text("import time\ndef train(say):\n    time.sleep(600)\n")
    script = tmp_path / "script.py"
    text = "from endless import train\n" + STARTS_A_TRAINING.format(train="train")
    script.write_text(text)
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    child = Path("/proc", process.stdout.readline().strip(), "stat")
    assert child.exists()
    process.send_signal(how)
    process.wait()
    deadline = time.monotonic() + 60
    # A dead process may stay behind as a zombie.
    while child.exists() and ") Z " not in child.read_text():
        assert time.monotonic() < deadline, "the other training goes on"
        time.sleep(0.1)
