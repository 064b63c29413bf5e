from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional

import nas
from nas.errors import UserError
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.weights import read_tensors
from nas.mutual_learning.anytime_making import make_anytime
from nas.mutual_learning.kinds import create_students, mutual_kind
from nas.mutual_learning.losses import all_paths
from nas.mutual_learning.networks_file import load_students, save_students
from nas.mutual_learning.run import run_mutual
from nas.mutual_learning.scores import score_paths
from nas.mutual_learning.splitting import split, split_encoder
from nas.mutual_learning.statistics import (
    BATCH,
    IMAGES,
    gather_statistics,
    measure_statistics,
    norms_in,
)
from nas.mutual_learning.students import Forward, Students, under_one_decoder
from nas.mutual_learning.trained import best_path, evaluate_mutual
from nas.tasks import ClassificationTask
from nas.training.images import Normaliser

CPU = torch.device("cpu")
BEGINNINGS = [(0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1)]
PLACES = {"0", "1", "0-0", "0-1", "1-0", "1-1"}


@pytest.fixture
def students(config: Any, digits: ClassificationTask) -> Students:
    """Two networks whose weights and statistics are those of no training."""
    found = create_students(config, digits, 0)
    generator = torch.Generator().manual_seed(1)
    for norm in norms_in(found):
        for tensor in (norm.running_mean, norm.running_var):
            assert tensor is not None
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return found.eval()


@pytest.fixture
def batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(8, 3, 8, 8, generator=generator) for _ in range(3)]


@pytest.fixture(scope="module")
def run(make_config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("statistics") / "run"
    run_mutual(make_config(training={"epochs": 1, "batch_size": 256}), folder)
    return folder


def reestimated(network: nn.Module, batches: list[Tensor]) -> nn.Module:
    """A copy of a network whose norms are measured anew, as torch does it in training."""
    found = copy.deepcopy(network).train()
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for images in batches:
            found(images)
    return found.eval()


def test_statistics_are_the_means_over_batches_of_the_maps_behind_a_beginning(
    students: Students, batches: list[Tensor]
) -> None:
    # A lower part of one convolution and one norm, behind an upper part of one of each.
    lower = students.student(1).network.middle
    assert isinstance(lower, nn.Sequential)
    gather_statistics(students, BEGINNINGS, batches)
    for number in range(2):
        early = students.student(number).network.early
        assert isinstance(early, nn.Sequential)
        means, variances = [], []
        for images in batches:
            maps = images
            for layer in early:
                if isinstance(layer, nn.BatchNorm2d):
                    maps = functional.batch_norm(
                        maps, None, None, layer.weight, layer.bias, training=True
                    )
                else:
                    maps = layer(maps)
            values = lower[0](maps).transpose(0, 1).flatten(1)
            means.append(values.mean(dim=1))
            variances.append(values.var(dim=1))
        (norm,) = norms_in(students.part((number, 1)))
        torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(dim=0))
        torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(dim=0))


@pytest.mark.parametrize("path", all_paths(2, 2))
def test_a_path_computes_what_it_does_with_norms_that_are_estimated_anew(
    path: tuple[int, ...], students: Students, batches: list[Tensor], images: Tensor
) -> None:
    expected = reestimated(students.network(path), batches)
    gather_statistics(students, BEGINNINGS, batches)
    with torch.no_grad():
        found = students.network(path)(images)
        torch.testing.assert_close(found, expected(images))
        assert torch.equal(found, Forward(students, images)(path))


def test_parts_in_the_middle_have_statistics_for_each_beginning(
    make_config: Any, digits: ClassificationTask, batches: list[Tensor], images: Tensor
) -> None:
    config = make_config(cut=["early", "middle.1"])
    students = create_students(config, digits, 0).eval()
    path = (0, 1, 0)
    expected = reestimated(students.network(path), batches)
    paths = [p for end in (1, 2, 3) for p in all_paths(2, end)]
    gather_statistics(students, paths, batches)
    assert students.statistics is not None
    assert {"0", "0-1", "0-1-0"} < set(students.statistics)
    # The last part of the shallow network has no norm.
    assert len(students.statistics) == 2 + 4 + 4
    with torch.no_grad():
        torch.testing.assert_close(students.network(path)(images), expected(images))


def test_weights_are_shared_and_stay_as_they_are(students: Students, batches: list[Tensor]) -> None:
    before = copy.deepcopy(students.state_dict())
    weights = {id(parameter) for parameter in students.parameters()}
    gather_statistics(students, BEGINNINGS, batches)
    for key, value in before.items():
        assert torch.equal(students.state_dict()[key], value)
    assert {id(p) for p in students.network((0, 1)).parameters()} < weights
    assert not any(norm.training for norm in norms_in(students.network((0, 1))))


def test_dropout_and_the_like_are_off_while_statistics_are_measured(batches: list[Tensor]) -> None:
    def network(width: int) -> nn.Module:
        layers = [nn.Conv2d(3, width, 1), nn.Dropout(0.9), nn.Conv2d(width, 2, 1)]
        return nn.Sequential(*layers, nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    parts = {name: split(network(4), ["0"], name) for name in ("one", "other")}
    students = Students(parts, (1, 3, 8, 8)).train()
    gather_statistics(students, BEGINNINGS, batches)
    module = students.student(1).network
    assert isinstance(module, nn.Sequential)
    with torch.no_grad():
        means = [module[2](module[0](images)).mean(dim=(0, 2, 3)) for images in batches]
    (norm,) = norms_in(students.part((1, 1)))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(dim=0))


def test_a_decoder_has_statistics_behind_each_path(batches: list[Tensor], images: Tensor) -> None:
    settings = EncoderSettings(name="resnet18", weights="none")
    encoders = {
        name: split_encoder(Encoder(settings, (2, 4)), ["act1"], name) for name in ("one", "other")
    }
    students = under_one_decoder(encoders, 3, (1, 3, 8, 8)).eval()
    path = (0, 1)
    expected = reestimated(students.network(path), batches)
    gather_statistics(students, BEGINNINGS, batches)
    assert students.statistics is not None
    decoders = {f"{place}-decoder" for place in PLACES if "-" in place}
    assert set(students.statistics) == PLACES | decoders
    with torch.no_grad():
        found = students.network(path)(images)
        torch.testing.assert_close(found, expected(images), rtol=1e-4, atol=1e-5)


def test_networks_without_batch_norm_stay_as_they_are(batches: list[Tensor]) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    parts = {name: split(network(), ["0"], name) for name in ("one", "other")}
    students = Students(parts, (1, 3, 8, 8))
    gather_statistics(students, BEGINNINGS, batches)
    assert students.statistics is None
    assert students.part((0, 1)) is students.student(1).parts[1]


def test_copies_follow_the_networks_to_another_type(
    students: Students, batches: list[Tensor], images: Tensor
) -> None:
    gather_statistics(students, BEGINNINGS, batches)
    with torch.no_grad():
        expected = students.network((0, 1))(images)
        found = students.double().network((0, 1))(images.double())
    torch.testing.assert_close(found.float(), expected)


def test_a_path_can_be_trained_after_it_was_scored(
    students: Students, batches: list[Tensor], digits: ClassificationTask, images: Tensor
) -> None:
    gather_statistics(students, BEGINNINGS, batches)
    score_paths(students.double().float(), digits, "validation", CPU)
    network = students.network((0, 1)).train()
    network(images).sum().backward()
    (norm, *_) = norms_in(network)
    assert norm.num_batches_tracked == 1


def test_statistics_are_measured_on_the_training_images_as_they_are(
    make_config: Any, all_digits: ClassificationTask, students: Students
) -> None:
    config = make_config(training={"augmentation": "full"})
    images = all_digits.dataset("train").images
    assert BATCH < len(images) < IMAGES
    count = -(-len(images) // BATCH)
    normalise = Normaliser(all_digits.mean, all_digits.std)
    # A batch takes every so-many-th image, so that it has all classes where they lie in order.
    batches = [normalise(images[start::count], CPU) for start in range(count)]
    expected = reestimated(students.network((1, 0)), batches)
    measure_statistics(students, config, all_digits, CPU)
    shown = batches[0]
    with torch.no_grad():
        torch.testing.assert_close(students.network((1, 0))(shown), expected(shown))


def test_images_are_bounded_and_spread_over_the_split(
    make_config: Any,
    digits: ClassificationTask,
    students: Students,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nas.mutual_learning.statistics.IMAGES", 32)
    images = digits.dataset("train").images[::4]
    normalise = Normaliser(digits.mean, digits.std)
    expected = reestimated(students.network((0, 0)), [normalise(images, CPU)])
    measure_statistics(students, make_config(), digits, CPU)
    shown = normalise(images, CPU)
    with torch.no_grad():
        torch.testing.assert_close(students.network((0, 0))(shown), expected(shown))


def test_by_other_methods_whole_networks_keep_their_statistics(
    make_config: Any, digits: ClassificationTask, students: Students
) -> None:
    measure_statistics(students, make_config(method="dml", statistics="own"), digits, CPU)
    assert students.statistics is not None
    assert set(students.statistics) == {"0-1", "1-0"}


def test_frozen_networks_and_norms_keep_their_statistics(
    make_config: Any, digits: ClassificationTask, students: Students
) -> None:
    config = make_config()
    given = [config.students[0].model_copy(update={"frozen": True}), config.students[1]]
    measure_statistics(students, make_config(students=given), digits, CPU)
    common = norms_in(students.student(0).parts[1])
    for norm, own in zip(common, norms_in(students.part((1, 0))), strict=True):
        assert torch.equal(norm.running_mean, own.running_mean)  # type: ignore[arg-type]
    (norm,), (own,) = norms_in(students.student(1).parts[1]), norms_in(students.part((0, 1)))
    assert not torch.equal(norm.running_mean, own.running_mean)  # type: ignore[arg-type]
    students.statistics = None
    settings = make_config(training={"freeze_batch_norm": True})
    measure_statistics(students, settings, digits, CPU)
    assert students.statistics is None


def test_statistics_are_saved_with_the_networks(
    students: Students,
    config: Any,
    digits: ClassificationTask,
    batches: list[Tensor],
    images: Tensor,
    tmp_path: Path,
) -> None:
    path = tmp_path / "networks.safetensors"
    gather_statistics(students, BEGINNINGS, batches)
    description = mutual_kind("classification").description(students, config, digits)
    save_students(students, description, path)
    added = [key for key in read_tensors(path, "network") if key.startswith("statistics.")]
    # Mean and variance of two norms in parts of the deep network, of one in those of the other.
    assert len(added) == 2 * (2 + 1) + 2 * (2 + 1) * 2
    loaded, _ = load_students(path)
    with torch.no_grad():
        for one in all_paths(2, 2):
            assert torch.equal(loaded.network(one)(images), students.network(one)(images))


def test_a_run_by_xml_uses_own_statistics_everywhere(
    run: Path, make_config: Any, all_digits: ClassificationTask
) -> None:
    students, _ = load_students(run / "seed-0" / "networks.safetensors")
    assert students.statistics is not None and set(students.statistics) == PLACES
    scores = score_paths(students, all_digits, "test", CPU)
    summary = evaluate_mutual(run, "test", "cpu")
    assert summary.paths == {name: [value] for name, value in scores.paths.items()}
    assert summary.ensembles == {name: [value] for name, value in scores.ensembles.items()}
    validation = score_paths(students, all_digits, "validation", CPU).paths
    found = {row["genotype"]: row["quality"] for row in nas.open(run).trials()}
    assert found['["deep","shallow"]'] == pytest.approx(validation["deep/shallow"])
    shown = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = best_path(run, "deep/shallow").network(shown)
        assert torch.equal(logits, Forward(students, shown)((0, 1)))
        students.statistics = None
        assert not torch.allclose(logits, Forward(students, shown)((0, 1)))


def test_exits_use_the_statistics_of_what_leads_there(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "anytime.safetensors"
    make_anytime(run, "cpu", rounds=1).save(path)
    loaded = nas.anytime(path, measure=False)
    students, _ = load_students(run / "seed-0" / "networks.safetensors")
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    answer = loaded(image, macs=1e12)
    (chosen,) = [e for e in loaded.description.exits if loaded.name(e.path) == answer.exit]
    maps = Forward(students, image)(chosen.path)
    with torch.no_grad():
        head = loaded._modules.head(chosen.path)
        logits = maps if head is None else head(maps)
    expected = (logits[0] / chosen.temperature).softmax(dim=0)
    torch.testing.assert_close(answer.probabilities, expected)


@pytest.mark.parametrize(
    ("method", "given", "found"),
    [
        ("xml", None, "own"),
        ("xml", "common", "common"),
        ("dml", None, "common"),
        ("independent", "own", "own"),
    ],
)
def test_a_run_says_which_statistics_it_uses(
    method: str, given: str | None, found: str, make_config: Any, tmp_path: Path
) -> None:
    training = {"epochs": 1, "batch_size": 512}
    config = make_config(method=method, statistics=given, training=training)
    run_mutual(config, tmp_path / "run")
    assert yaml.safe_load((tmp_path / "run" / "mutual.yaml").read_text())["statistics"] == found
    students, _ = load_students(tmp_path / "run" / "seed-0" / "networks.safetensors")
    assert (students.statistics is not None) == (found == "own")


def test_runs_of_older_versions_keep_common_statistics(make_config: Any, tmp_path: Path) -> None:
    training = {"epochs": 1, "batch_size": 512}
    run = tmp_path / "run"
    summary = run_mutual(make_config(statistics="common", training=training), run)
    values = yaml.safe_load((run / "mutual.yaml").read_text())
    del values["statistics"]
    (run / "mutual.yaml").write_text(yaml.safe_dump(values))
    for seeds, statistics in ((1, "common"), (2, None)):
        config = make_config(statistics=statistics, seeds=seeds, training=training)
        again = run_mutual(config, run)
        assert [v[0] for v in again.paths.values()] == [v[0] for v in summary.paths.values()]
    students, _ = load_students(run / "seed-1" / "networks.safetensors")
    assert students.statistics is None
    with pytest.raises(UserError, match=r"other settings \(statistics\)"):
        run_mutual(make_config(statistics="own", training=training), run)
