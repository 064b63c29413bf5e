from __future__ import annotations

from nas.deployment.named_network import named_network
from nas.deployment.selection import Selection


def test_runs_are_listed_and_shown(nas, finished_run):
    outcome = nas("runs", "list", finished_run.parent)
    assert outcome.code == 0
    assert "3 of 3" in outcome.out
    shown = nas("runs", "show", finished_run)
    assert "3 of 3 complete" in shown.out
    assert "size of study.db" in shown.out


def test_a_void_best_gives_way_to_the_next(nas, own_run):
    first = nas("pareto", "list", own_run).out
    best = next(line.split()[1] for line in first.splitlines() if line.startswith("│"))
    assert nas("runs", "void", own_run, "--trial", best, "--reason", "a test").code == 0
    after = nas("pareto", "list", own_run).out
    trials = [line.split()[1] for line in after.splitlines() if line.startswith("│")]
    assert trials and best not in trials
    assert "a test" in nas("runs", "show", own_run).out
    assert nas("runs", "void", own_run, "--trial", best, "--undo").code == 0
    assert nas("pareto", "list", own_run).out == first


def test_void_wants_one_of_two(nas, own_run):
    assert nas("runs", "void", own_run, "--trial", "0").err.endswith("--reason or --undo.\n")


def test_a_run_is_deleted(nas, own_run):
    assert nas("runs", "delete", own_run, "--yes").code == 0
    assert not own_run.exists()


def test_the_doctor_tells_what_is_there(nas, finished_run):
    outcome = nas("doctor", finished_run)
    assert outcome.code == 0, outcome.out
    # Long paths are broken over lines.
    told = "".join(outcome.out.split())
    for word in ("versions", "onnxruntime", "cache", "free", "study.db,3trials"):
        assert word in told


def test_the_doctor_names_a_problem(nas, own_run):
    (own_run / "study.db").unlink()
    outcome = nas("doctor", own_run)
    assert outcome.code == 1
    assert "problem: " in outcome.out


def test_nothing_has_to_be_trusted_in_a_run_of_ones_own(nas, finished_run):
    assert nas("allow", finished_run).out.endswith("names nothing that has to be allowed.\n")


def test_the_networks_of_a_run_are_built_without_its_images(monkeypatch, finished_run):
    with monkeypatch.context() as patch:
        patch.setattr("nas.searching.images.load_task", None)
        found = named_network(finished_run, Selection(best=True))
        other = named_network(finished_run, Selection(best=True), (48, 40))
    assert found.input_shape == (1, 3, 32, 32)
    assert other.input_shape == (1, 3, 48, 40)
