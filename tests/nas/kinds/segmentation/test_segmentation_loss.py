from __future__ import annotations

import math

import pytest
import torch

from nas.distillation import create_loss
from nas.kinds.segmentation.objective import SegmentationObjective, resize_masks

IGNORED = 255
# Logits for which class 1 has a probability of 3/4.
ODDS = [0.0, math.log(3)]


def maps(*pixels):
    """A single line of pixels, each given by its logits, 1 x classes x 1 x pixels."""
    return torch.tensor(pixels).t()[None, :, None, :].requires_grad_()


def line(*labels):
    return torch.tensor([[labels]], dtype=torch.uint8)


def test_cross_entropy_is_the_mean_over_pixels():
    loss = SegmentationObjective(IGNORED)(maps(ODDS, [0.0, 0.0]), [], line(1, 0))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_ignored_pixels_count_neither_above_nor_below_the_line():
    loss = SegmentationObjective(IGNORED)(maps(ODDS, [50.0, 0.0]), [], line(1, IGNORED))
    assert loss.item() == pytest.approx(math.log(4 / 3))


def test_the_ignored_value_is_the_tasks_own():
    loss = SegmentationObjective(0)(maps(ODDS, [50.0, 0.0]), [], line(1, 0))
    assert loss.item() == pytest.approx(math.log(4 / 3))


def test_logits_are_brought_to_the_size_of_the_masks():
    loss = SegmentationObjective(IGNORED)(maps(ODDS), [], line(1, 1, 1, 0))
    assert loss.item() == pytest.approx((3 * math.log(4 / 3) + math.log(4)) / 4)


def test_every_auxiliary_head_adds_its_weighted_loss():
    heads = [maps([0.0, 0.0]), maps(ODDS)]
    loss = SegmentationObjective(IGNORED, auxiliary_weight=0.5)(maps(ODDS), heads, line(1))
    assert loss.item() == pytest.approx(1.5 * math.log(4 / 3) + 0.5 * math.log(2))


def test_an_auxiliary_head_learns_from_masks_at_its_own_size():
    masks = torch.tensor([[[0, 0], [0, 1]]], dtype=torch.uint8)
    objective = SegmentationObjective(IGNORED, auxiliary_weight=1.0)
    logits = torch.zeros(1, 2, 2, 2)
    loss = objective(logits, [maps(ODDS)], masks)
    # The nearest pixel to the middle of 2x2 is the last.
    assert loss.item() == pytest.approx(math.log(2) + math.log(4 / 3))


def test_distillation_adds_its_weighted_loss():
    objective = SegmentationObjective(
        IGNORED, distillation=create_loss("logit_mse"), distillation_weight=0.3
    )
    loss = objective(maps([0.0, 0.0]), [], line(1), maps([2.0, -1.0]).detach())
    assert loss.item() == pytest.approx(math.log(2) + 0.3 * 2.5)


def test_teacher_logits_are_brought_to_the_students_size():
    objective = SegmentationObjective(
        IGNORED, distillation=create_loss("logit_mse"), distillation_weight=1.0
    )
    teacher = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]], [[0.0, 0.0], [0.0, 8.0]]]])
    loss = objective(maps([0.0, 0.0]), [], line(1), teacher)
    assert loss.item() == pytest.approx(math.log(2) + (4.0**2 + 2.0**2) / 2)


def test_distillation_without_teacher_logits_is_refused():
    objective = SegmentationObjective(IGNORED, distillation=create_loss("logit_mse"))
    with pytest.raises(ValueError, match="no teacher logits"):
        objective(maps(ODDS), [], line(1))


def test_a_loss_that_needs_the_classes_gets_those_at_the_students_size_without_ignored_ones():
    objective = SegmentationObjective(
        IGNORED, distillation=create_loss("dkd", beta=0.0, temperature=1.0), distillation_weight=1.0
    )
    masks = line(1, IGNORED)[:, :, None, :].expand(1, 1, 2, 2)[:, 0].reshape(1, 2, 2)
    loss = objective(maps([0.0, 0.0], [9.0, 0.0]), [], masks, maps(ODDS, [0.0, 9.0]).detach())
    # Of the two pixels only the first counts; the teacher is sure of its class by 3 to 1.
    target_part = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    assert loss.item() == pytest.approx(math.log(2) + target_part)


def test_class_weights_multiply_the_pixels_of_their_class():
    objective = SegmentationObjective(IGNORED, class_weights=torch.tensor([0.5, 2.0]))
    loss = objective(maps(ODDS, [0.0, 0.0], ODDS), [], line(1, 0, IGNORED))
    assert loss.item() == pytest.approx((2 * math.log(4 / 3) + 0.5 * math.log(2)) / 2)


def test_gradients_flow_through_every_term():
    logits, head = maps([0.0, 0.0]), maps([0.0, 0.0])
    objective = SegmentationObjective(
        IGNORED, 0.15, create_loss("logit_mse"), distillation_weight=0.3
    )
    objective(logits, [head], line(1), maps([1.0, -1.0]).detach()).backward()
    # Cross-entropy gives p - y = (0.5, -0.5), the squares 2 (s - t) / 2 = (-1, 1).
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([0.5 - 0.3, -0.5 + 0.3]))
    torch.testing.assert_close(head.grad.flatten(), torch.tensor([0.15 * 0.5, -0.15 * 0.5]))


@pytest.mark.parametrize("class_weights", [None, torch.tensor([0.5, 2.0])])
def test_a_batch_of_ignored_pixels_teaches_nothing(class_weights):
    logits, head = maps(ODDS, ODDS), maps(ODDS)
    objective = SegmentationObjective(IGNORED, class_weights=class_weights)
    loss = objective(logits, [head], line(IGNORED, IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))
    assert torch.equal(head.grad, torch.zeros_like(head))


def test_the_loss_of_bfloat16_logits_is_taken_in_float32():
    logits = maps(ODDS).detach().bfloat16()
    loss = SegmentationObjective(IGNORED)(logits, [logits], line(1))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1.15 * math.log(4 / 3), rel=0.01)


def test_masks_are_resized_to_labels_that_occur():
    masks = torch.tensor([[[0, 9], [9, 0]]], dtype=torch.uint8)
    grown = resize_masks(masks, (4, 4))
    assert grown.dtype == torch.uint8
    assert grown[0].tolist() == [[0, 0, 9, 9], [0, 0, 9, 9], [9, 9, 0, 0], [9, 9, 0, 0]]
    assert torch.equal(resize_masks(grown, (2, 2)), masks)
