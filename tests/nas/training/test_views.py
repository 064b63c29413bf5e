from __future__ import annotations

import pytest
import torch

from nas.training.views import averaged


def seen_by(views, images):
    seen = []

    def forward(view):
        seen.append(view)
        return view.mean(dim=(1, 2, 3))[:, None]

    logits = averaged(forward, views)(images)
    return seen, logits


@pytest.fixture
def images():
    return torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def test_without_views_the_forward_pass_is_the_plain_one(images):
    seen, _ = seen_by("none", images)
    assert len(seen) == 1
    assert torch.equal(seen[0], images)


def test_flip_shows_the_image_and_its_mirror_image(images):
    seen, logits = seen_by("flip", images)
    assert torch.equal(seen[0], images)
    assert torch.equal(seen[1], images.flip(-1))
    torch.testing.assert_close(logits[:, 0], images.mean(dim=(1, 2, 3)))


def test_ten_crops_have_the_size_of_the_image_and_cover_its_corners():
    # Enlarged by a tenth, 20x30 becomes 22x33.
    ramp = torch.arange(30.0).expand(1, 3, 20, 30)
    seen, _ = seen_by("ten_crop", ramp)
    assert [view.shape for view in seen] == [ramp.shape] * 10
    lefts = [view[0, 0, 0, 0].item() for view in seen[::2]]
    assert lefts[0] == lefts[2] < lefts[4] < lefts[1] == lefts[3]
    assert lefts[0] == pytest.approx(0.0, abs=0.1)
    assert seen[2][0, 0, 0, -1].item() == pytest.approx(29.0, abs=0.1)


def test_every_second_crop_is_a_mirror_image(images):
    seen, _ = seen_by("ten_crop", images)
    for crop, mirrored in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(crop.flip(-1), mirrored)


def test_the_logits_are_the_mean_over_the_views():
    numbers = iter(range(10))
    logits = averaged(lambda view: torch.full((1, 2), float(next(numbers))), "ten_crop")(
        torch.zeros(1, 3, 10, 10)
    )
    assert torch.equal(logits, torch.full((1, 2), 4.5))


def test_the_crops_are_the_same_every_time(images):
    first, second = seen_by("ten_crop", images)[0], seen_by("ten_crop", images)[0]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
