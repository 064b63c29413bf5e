from __future__ import annotations

import multiprocessing
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from nas.kinds.cache import cached_maps, cached_tensors


def test_tensors_are_computed_once(tmp_path):
    path, calls = tmp_path / "new" / "maps.safetensors", []

    def compute():
        calls.append("called")
        return {"map0": torch.arange(3.0)}

    for _ in range(2):
        assert cached_tensors(path, compute)["map0"].tolist() == [0, 1, 2]
    assert calls == ["called"]
    assert {p.suffix for p in path.parent.iterdir()} <= {".safetensors", ".lock"}


def test_a_computation_that_fails_leaves_no_file(tmp_path):
    def fail():
        raise RuntimeError("stop")

    path = tmp_path / "maps.safetensors"
    with pytest.raises(RuntimeError, match="stop"):
        cached_tensors(path, fail)
    assert not path.exists()
    assert cached_tensors(path, lambda: {"a": torch.ones(1)})["a"].item() == 1


def test_maps_are_computed_in_batches_and_in_order(tmp_path):
    sizes = []

    def forward(images):
        sizes.append(len(images))
        return [images, images[:, :1, ::2, ::2].double()]

    images = torch.arange(5.0).view(5, 1, 1, 1).repeat(1, 3, 2, 4)
    path = tmp_path / "maps.safetensors"
    first, second = cached_maps(path, forward, images, batch_size=2)
    assert sizes == [2, 2, 1]
    assert (first.shape, second.shape) == ((5, 2, 4, 3), (5, 1, 2, 1))
    assert first[:, 1, 2, 0].tolist() == second[:, 0, 1, 0].tolist() == [0, 1, 2, 3, 4]
    assert second.dtype == torch.float32
    # The file is one of any other writer.
    assert torch.equal(load_file(path)["map1"], second)
    again = cached_maps(path, None, images)
    assert torch.equal(again[0], first)


def test_maps_in_bfloat16_take_half_the_file(tmp_path):
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "maps.safetensors"
    (found,) = cached_maps(path, lambda some: [some], images, 2, torch.bfloat16)
    assert torch.equal(found, images.to(torch.bfloat16).permute(0, 2, 3, 1))
    (whole,) = cached_maps(tmp_path / "whole.safetensors", lambda some: [some], images, 2)
    assert found.element_size() * 2 == whole.element_size()
    assert torch.equal(load_file(path)["map0"], found)


def test_maps_that_fail_half_way_leave_no_file(tmp_path):
    def forward(images):
        if images[0, 0, 0, 0] > 2:
            raise RuntimeError("stop")
        return [images]

    images = torch.arange(5.0).view(5, 1, 1, 1)
    path = tmp_path / "maps.safetensors"
    with pytest.raises(RuntimeError, match="stop"):
        cached_maps(path, forward, images, batch_size=2)
    assert [one for one in tmp_path.iterdir() if one.suffix != ".lock"] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_what_a_killed_process_has_left_is_removed(tmp_path):
    images = torch.arange(5.0).view(5, 1, 1, 1)
    path = tmp_path / "maps.safetensors"

    def killed(images):
        if images[0, 0, 0, 0] > 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return [images]

    process = multiprocessing.get_context("fork").Process(
        target=cached_maps, args=(path, killed, images, 2)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [one.suffix for one in tmp_path.iterdir()].count(".safetensors") == 1
    (found,) = cached_maps(path, lambda images: [images], images)
    assert found.flatten().tolist() == [0, 1, 2, 3, 4]
    assert {one.name for one in tmp_path.iterdir()} == {"maps.safetensors", "maps.lock"}
