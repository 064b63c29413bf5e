from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

import latency
import nas
from nas.errors import UserError
from nas.kinds.registry import kind_of
from nas.mutual_learning.networks_file import load_students
from nas.mutual_learning.run import run_mutual
from nas.mutual_learning.scores import ensemble, score_paths
from nas.mutual_learning.settings import MutualConfig
from nas.mutual_learning.trained import MutualSummary, best_path, evaluate_mutual, read_config
from nas.tasks import ClassificationTask

PATHS = {"deep/deep", "deep/shallow", "shallow/deep", "shallow/shallow"}


@pytest.fixture(scope="module")
def trained(
    make_config: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, MutualConfig, MutualSummary]:
    folder = tmp_path_factory.mktemp("mutual") / "run"
    config = make_config(seeds=2, training={"epochs": 1})
    return folder, config, run_mutual(config, folder)


def test_every_path_has_an_accuracy_for_each_seed(trained: Any) -> None:
    _, _, summary = trained
    assert set(summary.paths) == PATHS
    assert all(len(values) == 2 for values in summary.paths.values())


def test_paths_cost_what_their_parts_cost(trained: Any) -> None:
    costs = trained[2].costs
    params = {name: costs[name]["params"] for name in PATHS}
    both = params["deep/deep"] + params["shallow/shallow"]
    assert params["deep/shallow"] + params["shallow/deep"] == both
    assert params["deep/deep"] > params["deep/shallow"] > params["shallow/shallow"]


def test_the_weights_of_all_networks_are_in_one_file(
    trained: Any, all_digits: ClassificationTask
) -> None:
    folder, _, summary = trained
    students, description = load_students(folder / "seed-1" / "networks.safetensors")
    scores = score_paths(students, all_digits, "validation", torch.device("cpu"))
    assert scores.paths == {name: values[1] for name, values in summary.paths.items()}
    assert description.classes == all_digits.classes


def test_a_whole_network_scores_as_any_classifier(
    trained: Any, all_digits: ClassificationTask
) -> None:
    students, _ = load_students(trained[0] / "seed-0" / "networks.safetensors")
    card = kind_of(all_digits).score(
        students.network((1, 1)), all_digits, "validation", torch.device("cpu")
    )
    assert card.figures["accuracy"] == trained[2].paths["shallow/shallow"][0]


def test_a_finished_run_is_not_trained_again(trained: Any) -> None:
    folder, config, summary = trained
    weights = folder / "seed-0" / "networks.safetensors"
    before = weights.stat().st_mtime_ns
    assert run_mutual(config, folder) == summary
    assert weights.stat().st_mtime_ns == before


def test_other_settings_are_refused(trained: Any, make_config: Any) -> None:
    folder, _, _ = trained
    with pytest.raises(UserError, match=r"other settings \(method\)"):
        run_mutual(make_config(method="dml", training={"epochs": 1}), folder)


def test_a_saved_configuration_is_read_back(trained: Any) -> None:
    folder, config, _ = trained
    assert read_config(folder).identity() == {**config.identity(), "statistics": "own"}
    assert "seeds" not in yaml.safe_load((folder / "mutual.yaml").read_text())


def test_the_run_is_a_search_over_all_paths(trained: Any) -> None:
    folder, _, summary = trained
    trials = nas.open(folder).trials()
    found = {row["genotype"]: row["quality"] for row in trials}
    assert len(trials) == 4
    for name, values in summary.paths.items():
        genotype = "[" + ",".join(f'"{step}"' for step in name.split("/")) + "]"
        assert found[genotype] == pytest.approx(np.mean(values))


def test_its_front_is_that_of_the_paths(trained: Any) -> None:
    folder, _, summary = trained
    front = nas.open(folder).front("params")
    best = max(np.mean(values) for values in summary.paths.values())
    assert front[-1]["quality"] == pytest.approx(best)
    assert front.column("params") == sorted(front.column("params"))


def test_paths_are_searched_within_limits(trained: Any, tmp_path: Path) -> None:
    folder, _, summary = trained
    limit = summary.costs["shallow/deep"]["params"]
    run = nas.search(
        run=tmp_path / "search",
        controller="tpe",
        limits={"params": limit},
        trials=2,
        config=folder / "config.yaml",
        progress=False,
    )
    assert all(row["params"] <= limit for row in run.trials() if row["state"] == "complete")


def test_a_path_is_exported(trained: Any, tmp_path: Path) -> None:
    folder, _, summary = trained
    from nas.cli.app import app

    out = tmp_path / "path.onnx"
    result = CliRunner().invoke(
        app, ["export", str(folder), "--path", "shallow/deep", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    found = best_path(folder, "shallow/deep")
    best = int(np.argmax(summary.paths["shallow/deep"]))
    assert found.path.parent.name == f"seed-{best}"
    assert latency.check_onnx(found.network, out, found.description.input_shape) < 1e-4


def test_an_unknown_path_is_refused(trained: Any) -> None:
    with pytest.raises(UserError, match="each one of deep, shallow"):
        best_path(trained[0], "deep/wide")


def test_the_test_split_is_evaluated_on_demand(trained: Any) -> None:
    folder, _, _ = trained
    summary = evaluate_mutual(folder, "test")
    assert summary.split == "test"
    assert set(summary.paths) == PATHS
    assert (folder / "evaluation-test.json").is_file()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no mutual\.yaml there"):
        evaluate_mutual(tmp_path, "test")


def test_settings_for_another_kind_of_task_are_refused(make_config: Any, tmp_path: Path) -> None:
    options = {"size": 32, "train": 2, "validation": 1, "test": 1}
    config = make_config(task="faces", task_options=options)
    with pytest.raises(UserError, match="'faces' is one of segmentation, and the settings are not"):
        run_mutual(config, tmp_path / "run")


def test_a_training_that_diverges_says_which_rate_to_lower(
    make_config: Any, tmp_path: Path
) -> None:
    config = make_config(training={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"seed-0 diverged: .*training.learning_rate=1e\+29"):
        run_mutual(config, tmp_path / "run")


def test_an_ensemble_is_the_mean_of_probabilities_or_logits() -> None:
    one, other = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    by_logits = ensemble([one, other], "logits")
    assert torch.equal(by_logits, torch.tensor([[2.0, 0.5, 0.0]]))
    by_probabilities = ensemble([one, other], "probabilities").softmax(1)
    torch.testing.assert_close(by_probabilities, (one.softmax(1) + other.softmax(1)) / 2)


def test_what_is_passed_over_in_the_data_is_told(make_config: Any, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                pixels = np.full((8, 8, 3), 100 * label + 20 * number + len(split), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    (tmp_path / "data" / "train" / "cat" / "a.heic").touch()
    said: list[str] = []
    options = {"task": str(tmp_path / "data"), "task_options": {"input_size": [8, 8]}}
    run_mutual(make_config(**options, training={"epochs": 1}), tmp_path / "run", say=said.append)
    assert any("passed over 1 .heic" in note for note in said)
