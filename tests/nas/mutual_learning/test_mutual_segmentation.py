from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import latency
import nas
import nas.tasks
from nas.errors import UserError
from nas.kinds.registry import kind_of
from nas.models.encoder import Encoder, EncoderSettings
from nas.models.segmentation import PlainDecoder
from nas.models.weights import save_tensors
from nas.mutual_learning.anytime_making import make_anytime
from nas.mutual_learning.kinds import create_students, mutual_kind
from nas.mutual_learning.losses import MutualLoss, all_paths
from nas.mutual_learning.networks_file import load_students
from nas.mutual_learning.run import run_mutual
from nas.mutual_learning.settings import SegmentationMutualConfig
from nas.mutual_learning.splitting import interfaces, split_encoder
from nas.mutual_learning.students import Forward, Students, under_one_decoder
from nas.mutual_learning.trained import best_path, evaluate_mutual
from nas.mutual_learning.training import Companion, MutualLoop, MutualUpdate
from nas.settings import validate
from nas.tasks import SegmentationTask
from nas.training.loop import Batch
from nas.training.update import Group, Update

TINY = {"size": 32, "train": 8, "validation": 4, "test": 4}
PATHS = {"thin/thin", "thin/thick", "thick/thin", "thick/thick"}
CPU = torch.device("cpu")


class Pyramid(nn.Module):
    """Two stages, each of which halves height and width."""

    strides = (2, 4)

    def __init__(self, in_channels: int, depth: int = 1, width: int = 4):
        super().__init__()
        self.channels = (width, 6)
        self.first = nn.Sequential(*_stage(in_channels, width, depth))
        self.second = nn.Sequential(*_stage(width, 6, depth))

    def forward(self, images: Tensor) -> list[Tensor]:
        finer = self.first(images)
        return [finer, self.second(finer)]


def _stage(inputs: int, outputs: int, depth: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()]
    return layers


def thin(in_channels: int) -> nn.Module:
    return Pyramid(in_channels)


def thick(in_channels: int) -> nn.Module:
    return Pyramid(in_channels, depth=2)


def wide(in_channels: int) -> nn.Module:
    return Pyramid(in_channels, width=8)


def encoder(name: str) -> Encoder:
    return Encoder(EncoderSettings(name=f"{__file__}:{name}", weights="none"), (2, 4))


def make_config(*names: str, **changes: Any) -> SegmentationMutualConfig:
    values = {
        "task": "faces",
        "task_options": TINY,
        "students": [{"model": {"name": f"{__file__}:{n}", "strides": [2, 4]}} for n in names],
        "cut": ["first"],
        "device": "cpu",
        "training": {"epochs": 1, "batch_size": 4, "augmentation": "none"},
    }
    return validate(SegmentationMutualConfig, values | changes, "settings")


@pytest.fixture(scope="module")
def faces() -> SegmentationTask:
    task = nas.tasks.load("faces", **TINY)
    assert isinstance(task, SegmentationTask)
    return task


@pytest.fixture
def students(faces: SegmentationTask) -> Students:
    return create_students(make_config("thin", "thick"), faces, 0)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutual-segmentation") / "run"
    run_mutual(make_config("thin", "thick", seeds=2), folder)
    return folder


@pytest.mark.parametrize(
    ("name", "strides", "cuts", "handed"),
    [
        ("resnet18", (2, 4, 8), ["layer1"], [[(64, 8, 8), (64, 16, 16)]]),
        ("resnet18", (8, 16), ["layer2"], [[(128, 4, 4)]]),
        (
            "mobilenetv2_035",
            (4, 8, 16),
            ["blocks.2", "blocks.3"],
            [[(16, 4, 4), (8, 8, 8)], [(24, 2, 2), (8, 8, 8), (16, 4, 4)]],
        ),
    ],
)
def test_a_part_hands_over_the_finer_maps_too(
    name: str, strides: tuple[int, ...], cuts: list[str], handed: list[list[Any]]
) -> None:
    whole = Encoder(EncoderSettings(name=name, weights="none"), strides).eval()
    parts = split_encoder(whole, cuts)
    found = interfaces(parts, (1, 3, 32, 32))
    assert [sorted(one[1:]) for one in found] == [sorted(one[1:]) for one in handed]
    assert [one[0] for one in found] == [one[0] for one in handed]
    shown = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for one, other in zip(parts(shown), whole(shown), strict=True):
            assert torch.equal(one, other)


def test_an_unknown_cut_is_told_with_the_modules_of_the_backbone() -> None:
    with pytest.raises(UserError, match=r"thin has no module 'layer9' .* it has: first, second"):
        split_encoder(encoder("thin"), ["layer9"], "thin")


def test_encoders_of_unequal_width_are_refused() -> None:
    parts = {name: split_encoder(encoder(name), ["first"], name) for name in ("thin", "wide")}
    with pytest.raises(UserError, match="thin gives 4, 6 channels and wide 8, 6"):
        under_one_decoder(parts, 3, (1, 3, 32, 32))


def test_every_path_ends_in_the_one_decoder(students: Students, images: Tensor) -> None:
    students.eval()
    with torch.no_grad():
        forward = Forward(students, images)
        for path in all_paths(2, 2):
            logits = forward(path)
            assert logits.shape == (4, 11, 16, 16)
            resized = nn.functional.interpolate(logits, (32, 32), mode="bilinear")
            torch.testing.assert_close(students.network(path)(images), resized)
        own = students.student(1).network(images)
        torch.testing.assert_close(forward((1, 1)), students.decoder(own))


def test_an_update_of_the_decoder_voids_all_logits_but_not_the_maps(
    students: Students, images: Tensor
) -> None:
    decoded, upper = [], []
    assert students.decoder is not None
    students.decoder.register_forward_pre_hook(lambda module, given: decoded.append(1))
    students.student(0).parts[0].register_forward_pre_hook(lambda module, given: upper.append(1))
    forward = Forward(students, images)
    forward((0, 0))
    forward((0, 0))
    forward.forget(1)
    forward((0, 0))
    assert (len(decoded), len(upper)) == (2, 1)


@pytest.mark.parametrize("order", ["sequential", "simultaneous"])
def test_the_decoder_learns_with_the_encoders(
    order: Any, students: Students, images: Tensor, faces: SegmentationTask
) -> None:
    decoder = students.decoder
    assert decoder is not None
    learned = []
    update = Update([Group(decoder, "sgd", 0.1)])
    step = update.step
    update.step = lambda scale=1.0: (learned.append(1), step(scale))[1]  # type: ignore[method-assign]
    before = decoder.classifier.weight.clone()  # type: ignore[union-attr,operator]
    masks = torch.randint(11, (4, 32, 32), generator=torch.Generator().manual_seed(0))

    class Batches:
        def __len__(self) -> int:
            return 1

        def epoch(self, index: int) -> list[Batch]:
            return [Batch(images, masks)]

    MutualLoop(
        students=students,
        batches=Batches(),
        loss=MutualLoss("xml"),
        task=mutual_kind("segmentation").task_loss(make_config("thin", "thick"), faces, CPU),
        update=MutualUpdate(
            {n: Update([Group(students.student(n), "sgd", 0.1)]) for n in range(2)},
            [Companion(decoder, update, frozenset({0, 1}))],
        ),
        order=order,
    ).epoch(0)
    assert not torch.equal(decoder.classifier.weight, before)  # type: ignore[arg-type,union-attr]
    # In turns it learns from the loss of each encoder.
    assert len(learned) == (2 if order == "sequential" else 1)


def test_paths_are_judged_by_their_mean_iou(run: Path, faces: SegmentationTask) -> None:
    summary = evaluate_mutual(run, "validation")
    assert (summary.figure, set(summary.paths)) == ("mean_iou", PATHS)
    students, _ = load_students(run / "seed-1" / "networks.safetensors")
    for number, name in enumerate(("thin/thin", "thick/thick")):
        card = kind_of(faces).score(students.whole(number), faces, "validation", CPU)
        assert summary.paths[name][1] == card.figures["mean_iou"]


def test_a_path_costs_its_parts_and_the_decoder(run: Path) -> None:
    summary = evaluate_mutual(run, "validation")
    params = {name: costs["params"] for name, costs in summary.costs.items()}
    decoder = sum(p.numel() for p in PlainDecoder((4, 6), 11).parameters())
    alone = [sum(p.numel() for p in encoder(name).parameters()) for name in ("thin", "thick")]
    assert params["thin/thin"] == alone[0] + decoder
    assert params["thin/thick"] + params["thick/thin"] == sum(alone) + 2 * decoder


def test_the_paths_of_encoders_are_a_search(run: Path) -> None:
    summary = evaluate_mutual(run, "validation")
    best = max(sum(values) / len(values) for values in summary.paths.values())
    assert nas.open(run).front("macs")[-1]["quality"] == pytest.approx(best)


def test_a_path_of_encoders_is_exported(run: Path, tmp_path: Path) -> None:
    from nas.cli.app import app

    out = tmp_path / "path.onnx"
    given = ["export", str(run), "--path", "thin/thick", "--out", str(out)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    found = best_path(run, "thin/thick")
    assert found.network(torch.zeros(1, 3, 32, 32)).shape == (1, 11, 32, 32)
    assert latency.check_onnx(found.network, out, found.description.input_shape) < 1e-4


def test_exits_are_for_classification(run: Path) -> None:
    with pytest.raises(UserError, match="for classification alone"):
        make_anytime(run, "cpu")


def test_a_finished_run_of_encoders_is_not_trained_again(run: Path) -> None:
    weights = run / "seed-0" / "networks.safetensors"
    before = weights.stat().st_mtime_ns
    run_mutual(make_config("thin", "thick", seeds=2), run)
    assert weights.stat().st_mtime_ns == before


def test_encoders_begin_with_those_of_trained_networks(
    faces: SegmentationTask, tmp_path: Path
) -> None:
    config = make_config("thin", "thick")
    trained = kind_of(faces).create(config.students[0].model, faces)
    save_tensors(trained, tmp_path / "model.safetensors")
    values = config.model_dump(mode="json")
    values["students"][0]["model"]["weights"] = str(tmp_path / "model.safetensors")
    students = create_students(validate(SegmentationMutualConfig, values, "settings"), faces, 1)
    for key, tensor in students.student(0).network.state_dict().items():
        assert torch.equal(tensor, trained.encoder.state_dict()[key])  # type: ignore[union-attr,operator]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "independent"}, "train each with nas train"),
        ({"matching": {}}, "matching is for classification"),
        ({"adapters": {}}, "adapters is for classification"),
        ({"peer_losses": [{"method": "soft_target"}]}, "peer_losses is for classification"),
        ({"training": {"precision": "float16"}}, "use bfloat16"),
    ],
)
def test_what_does_not_apply_to_encoders_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_config("thin", "thick", **changes)


def test_a_frozen_encoder_and_unequal_strides_are_refused() -> None:
    students = make_config("thin", "thick").model_dump(mode="json")["students"]
    with pytest.raises(UserError, match="frozen is for classification"):
        make_config(students=[students[0], students[1] | {"frozen": True}])
    students[0]["model"]["strides"] = [2]
    with pytest.raises(UserError, match="strides have to be the same"):
        make_config(students=students)


def test_anti_spoofing_is_refused() -> None:
    with pytest.raises(UserError, match="classification and segmentation alone"):
        mutual_kind("antispoofing")
