from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import nas
from nas import allowed
from nas.cli.app import app
from nas.deployment.allowing import allow_place
from nas.errors import UserError
from nas.mutual_learning import anytime as module
from nas.mutual_learning.anytime import Anytime, AnytimeModules
from nas.mutual_learning.anytime_description import AnytimeDescription, Exit
from nas.mutual_learning.anytime_file import head_channels
from nas.mutual_learning.exit_times import times_of
from nas.mutual_learning.exits import ExitHead
from nas.mutual_learning.kinds import create_students, mutual_kind
from nas.mutual_learning.run import run_mutual
from nas.tasks import ClassificationTask

# Cuts before the first network's end (0, 0) and the second's; crossed paths between.
ACCURACIES = {(0,): 0.5, (1,): 0.4, (0, 0): 0.9, (0, 1): 0.8, (1, 0): 0.7, (1, 1): 0.6}
PARTS = {(0,): 2.0, (1,): 1.0, (0, 0): 6.0, (0, 1): 3.0, (1, 0): 6.0, (1, 1): 3.0}


class Clock:
    """Time that passes when it is told to, in milliseconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now / 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def network(make_config: Any, digits: ClassificationTask) -> Anytime:
    config = make_config()
    students = create_students(config, digits, 0)
    heads = {
        path: ExitHead(count, digits.num_classes) for path, count in head_channels(students).items()
    }
    exits = tuple(
        Exit(path=path, accuracy=accuracy, temperature=2.0, macs=100 * PARTS[path])
        for path, accuracy in ACCURACIES.items()
    )
    parts = {path: [took] for path, took in PARTS.items()}
    times = times_of(students, "none", parts, {path: [0.5] for path in PARTS})
    networks = mutual_kind("classification").description(students, config, digits)
    description = AnytimeDescription(networks=networks, exits=exits, times=times)
    return Anytime(AnytimeModules(students, heads), description)


def spend(network: Anytime, clock: Clock, milliseconds: dict[str, float]) -> None:
    """Lets the first parts of the networks take a time."""
    students = network._students
    for number, name in enumerate(students.names):
        took = milliseconds.get(name, 0.0)

        def pass_time(module: Any, inputs: Any, took: float = took) -> None:
            clock.now += took

        students.student(number).parts[0].register_forward_pre_hook(pass_time)


@pytest.fixture
def image(images: Tensor) -> Tensor:
    return images[:1]


@pytest.mark.parametrize(
    ("budget", "exit"),
    [(100.0, (0, 0)), (8.5, (0, 0)), (8.4, (0, 1)), (5.0, (1, 1)), (3.0, (0,)), (1.5, (1,))],
)
def test_the_best_exit_within_the_budget_is_planned(
    network: Anytime, budget: float, exit: tuple[int, ...]
) -> None:
    found = network.plan(budget)
    assert found is not None and found.path == exit


def test_a_limit_of_resources_plans_as_well(network: Anytime) -> None:
    found = network.plan(macs=350)
    assert found is not None and found.path == (0, 1)
    assert network.plan(macs=50) is None


def test_exits_that_are_asked_on_the_way_take_time(network: Anytime) -> None:
    found = network.plan(8.5, gated=True)
    assert found is not None and found.path == (0, 1)


def test_parts_that_are_fast_lead_further_than_was_planned(
    network: Anytime, clock: Clock, image: Tensor
) -> None:
    # Planned for 8.4 ms: deep/shallow. The first part takes no time, so that deep/deep is reached.
    assert network(image, 8.4).exit == "deep/deep"


def test_parts_that_are_slow_answer_at_the_cut(
    network: Anytime, clock: Clock, image: Tensor
) -> None:
    spend(network, clock, {"deep": 7.9})
    assert network(image, 8.5).exit == "deep"


def test_a_machine_that_has_become_slower_keeps_the_budget_in_nearly_all_calls(
    network: Anytime, clock: Clock, image: Tensor
) -> None:
    # Planned for 2 ms and 1 ms.
    spend(network, clock, {"deep": 9.0, "shallow": 1.0})
    answers = [network(image, 8.5) for _ in range(300)]
    assert [answer.exit for answer in answers[:2]] == ["deep", "deep"]
    # The first calls learn it, and later ones try now and then whether it has become faster.
    assert sum(answer.milliseconds > 8.5 for answer in answers) <= 4
    assert answers[-1].exit.startswith("shallow")


def test_a_machine_that_is_as_fast_as_it_was_again_answers_as_planned(
    network: Anytime, clock: Clock, image: Tensor
) -> None:
    spend(network, clock, {"deep": 9.0})
    network(image, 8.6)
    network._students.student(0).parts[0]._forward_pre_hooks.clear()
    spend(network, clock, {"deep": 2.0})
    answers = [network(image, 8.6) for _ in range(250)]
    assert answers[0].exit == "deep/shallow"
    assert answers[-1].exit == "deep/deep"


def test_the_fastest_exit_answers_where_nothing_else_is_in_time(
    network: Anytime, clock: Clock, image: Tensor
) -> None:
    spend(network, clock, {"shallow": 4.0})
    assert {network(image, 1.5).exit for _ in range(5)} == {"shallow"}


def test_an_answer_is_what_the_exit_computes(network: Anytime, clock: Clock, image: Tensor) -> None:
    answer = network(image)
    with torch.no_grad():
        logits = network._students.network((0, 0))(image)[0]
    torch.testing.assert_close(answer.probabilities, (logits / 2).softmax(dim=0))
    assert answer.confidence == answer.probabilities.max()
    assert answer.label == network.classes[int(logits.argmax())]


def test_a_sure_exit_answers_before_the_end(network: Anytime, clock: Clock, image: Tensor) -> None:
    assert network(image, confidence=0.0).exit == "deep"
    assert network(image, confidence=1.0).exit == "deep/deep"


def test_the_budget_of_the_file_holds_unless_another_is_given(
    network: Anytime, clock: Clock, image: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "anytime.safetensors"
    network.save(path, budget=3.0)
    loaded = nas.anytime(path, measure=False)
    spend(loaded, clock, {"deep": 2.0})
    assert loaded(image).exit == "deep"
    assert loaded(image, 20.0).exit == "deep/deep"
    assert loaded(image, macs=1000).exit == "deep/deep"


def test_budgets_below_every_exit_are_refused(network: Anytime, image: Tensor) -> None:
    with pytest.raises(UserError, match=r"within 0.2 ms \(the fastest takes 1.5 ms\)"):
        network(image, 0.2)
    with pytest.raises(UserError, match=r"within 5 MACs \(the smallest takes 100\)"):
        network(image, macs=5)
    with pytest.raises(UserError, match=r"within 1 ms .* and 150 MACs"):
        network(image, 1, macs=150)


def test_images_of_another_shape_are_refused(network: Anytime, images: Tensor) -> None:
    with pytest.raises(UserError, match=r"not \(4, 3, 8, 8\)"):
        network(images)


def test_a_confidence_above_one_is_refused(network: Anytime, image: Tensor) -> None:
    with pytest.raises(UserError, match=r"from 0 to 1, not 1\.5"):
        network(image, confidence=1.5)


def test_files_of_others_do_not_run_code_unless_it_is_allowed(
    network: Anytime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "anytime.safetensors"
    network.save(path)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(allowed, "_told", set())
    with pytest.raises(UserError, match="never used on this machine"):
        nas.anytime(path, measure=False)
    names = allow_place(path)
    assert [name.rpartition(":")[2] for name in names] == ["deep", "shallow"]
    assert nas.anytime(path, measure=False).classes == network.classes


def test_measured_times_are_of_every_part_and_exit(network: Anytime) -> None:
    times = network.measure(rounds=2)
    names = {network.name(path) for path in ACCURACIES}
    assert {key.removeprefix(">") for key in times.answers if key.startswith(">")} == names
    assert set(times.answers) == set(times.asking)
    assert all(took > 0 for took in times.answers.values())


def test_the_time_to_an_answer_is_the_quantile_of_sums(network: Anytime) -> None:
    # Either part is slow now and then, never both at once.
    parts = {path: [1.0] * 100 for path in PARTS}
    parts[0,], parts[0, 0] = [50.0] * 5 + [1.0] * 95, [1.0] * 95 + [30.0] * 5
    times = times_of(network._students, "none", parts, {path: [0.5] * 100 for path in PARTS})
    assert times.answers[">deep/deep"] == pytest.approx(51.5)
    assert times.answers["deep>deep/deep"] == pytest.approx(30.5)
    assert times.asking[">deep/deep"] == pytest.approx(52.0)


def test_a_run_is_exported_and_loaded(make_config: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    summary = run_mutual(make_config(training={"epochs": 1, "batch_size": 256}), run)
    result = CliRunner().invoke(app, ["export", str(run), "--anytime", "--budget", "500ms"])
    assert result.exit_code == 0, result.output
    assert "within 500 ms: " in result.output
    loaded = nas.anytime(run / "anytime.safetensors")
    found = {loaded.name(exit.path): exit for exit in loaded.description.exits}
    assert set(found) == {*summary.paths, "deep", "shallow"}
    for name, (accuracy,) in summary.paths.items():
        assert found[name].accuracy == pytest.approx(accuracy)
        assert found[name].macs == summary.costs[name]["macs"]
    assert found["deep"].accuracy > 0.2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--anytime", "--path", "a/b"], "leave --path"),
        (["--anytime", "--set", "size=8"], "whose run tells its task"),
        (["--anytime", "--budget", "soon"], "such as 5ms"),
        (["--anytime", "--out", "a.onnx"], "end in .safetensors"),
        (["--budget", "5ms"], "belongs to --anytime"),
    ],
)
def test_wrong_options_of_the_export_are_refused(
    given: list[str], message: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path), *given])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
