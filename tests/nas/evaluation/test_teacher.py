from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.evaluation.teacher import build_teacher, chance, check_teacher, load_teacher
from nas.training.scoring import ScoreCard

CPU = torch.device("cpu")


def card(confusion):
    return ScoreCard(scores={}, macro={}, groups={}, confusion=np.array(confusion))


class Constant(nn.Module):
    """The same logits for every pixel of every image."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return self.logits.view(1, -1, 1, 1).repeat(len(images), 1, *images.shape[-2:])


def one_class(index):
    return Constant([5.0 if number == index else 0.0 for number in range(11)])


class Colours(nn.Module):
    """Random classes."""

    def forward(self, images):
        generator = torch.Generator().manual_seed(0)
        return torch.randn(len(images), 11, *images.shape[-2:], generator=generator)


def test_chance_shares_one_among_the_classes_that_occur():
    assert chance(card([[5, 5], [0, 10]])) == 0.5
    assert chance(card([[5, 5, 1], [0, 0, 0], [0, 0, 1]])) == 0.5
    assert chance(card(np.diag([4, 3, 2, 1]))) == 0.25


@pytest.mark.parametrize("teacher", [one_class(0), one_class(4), Colours()])
def test_a_teacher_that_guesses_is_refused(faces, teacher):
    with pytest.raises(UserError, match=r"no better than chance .*mean F1 0\.\d+.*0\.091.*train"):
        check_teacher(teacher, faces, CPU)


@pytest.mark.parametrize("value", [0.0, 3.0, float("nan"), float("inf")])
def test_constant_or_infinite_logits_are_refused(faces, value):
    with pytest.raises(UserError, match="logits are constant or not finite"):
        check_teacher(Constant([value] * 11), faces, CPU)


def test_a_trained_teacher_passes_with_a_report(faces, teacher_run):
    report = check_teacher(load_teacher(teacher_run, faces, CPU), faces, CPU)
    assert report.chance == pytest.approx(1 / 11)
    assert report.macro["f1"] > report.chance
    assert report.logits_shape == (11, 32, 32)
    assert report.logits_largest > report.logits_std > 0
    assert set(report.f1) == set(faces.classes)
    assert report.to_record()["logits_shape"] == (11, 32, 32)


def test_a_loaded_teacher_evaluates(faces, teacher_run):
    teacher = load_teacher(teacher_run, faces, CPU)
    assert not any(module.training for module in teacher.modules())


def test_a_teacher_of_other_classes_is_refused(faces, teacher_run):
    from dataclasses import replace

    other = replace(faces, classes=("sky", *faces.classes[1:]))
    with pytest.raises(UserError, match=r"trained on other classes than those of task 'faces'"):
        load_teacher(teacher_run, other, CPU)


def test_a_folder_without_a_teacher_is_refused(faces, tmp_path):
    with pytest.raises(UserError, match=r"no teacher\.yaml"):
        load_teacher(tmp_path, faces, CPU)


def test_the_seed_decides_the_weights_of_a_new_teacher(make_settings, teacher_settings):
    settings = make_settings(teacher=teacher_settings).teacher
    torch.manual_seed(1)
    stems = [build_teacher(settings, 11, seed).encoder.backbone.conv_stem for seed in (0, 0, 1)]
    assert torch.equal(stems[0].weight, stems[1].weight)
    assert not torch.equal(stems[0].weight, stems[2].weight)
