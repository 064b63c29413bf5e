from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.models import weights
from nas.training import checkpoint
from nas.training.flat import FlatBuffers, FlatParameters


class Killed(BaseException):
    """What a signal is to a test."""


def half_written(path):
    Path(path).write_bytes(b"half")
    raise Killed


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    state = {"tensor": torch.arange(3.0), "nested": [{"epoch": 2, "name": "a"}], "none": None}
    checkpoint.save_checkpoint(state, tmp_path / "new" / "state.pt")
    found = checkpoint.load_checkpoint(tmp_path / "new" / "state.pt")
    assert torch.equal(found.pop("tensor"), state.pop("tensor"))
    assert found == state


def test_a_missing_checkpoint_is_none(tmp_path):
    assert checkpoint.load_checkpoint(tmp_path / "state.pt") is None


def test_nothing_temporary_stays(tmp_path, small_net):
    checkpoint.save_checkpoint({"epoch": 1}, tmp_path / "state.pt")
    checkpoint.save_weights(small_net, tmp_path / "weights.safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {"state.pt", "weights.safetensors"}


def test_a_kill_while_saving_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    checkpoint.save_checkpoint({"epoch": 1}, path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", lambda state, file: half_written(file.name))
        with pytest.raises(Killed):
            checkpoint.save_checkpoint({"epoch": 2}, path)
    assert checkpoint.load_checkpoint(path) == {"epoch": 1}
    checkpoint.save_checkpoint({"epoch": 3}, path)
    assert checkpoint.load_checkpoint(path) == {"epoch": 3}


def test_a_kill_while_saving_leaves_the_previous_weights(tmp_path, monkeypatch, small_net):
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(small_net, path)
    before = path.read_bytes()
    monkeypatch.setattr(weights, "save_file", lambda state, file, metadata: half_written(file))
    with pytest.raises(Killed):
        checkpoint.save_weights(small_net, path)
    assert path.read_bytes() == before


def test_a_checkpoint_runs_no_pickled_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "trap",))

    torch.save({"trap": Trap()}, tmp_path / "state.pt")
    with pytest.raises(UserError, match="cannot be read"):
        checkpoint.load_checkpoint(tmp_path / "state.pt")
    assert not (tmp_path / "trap").exists()


def test_weights_come_back_with_their_buffers(tmp_path, small_net):
    small_net(torch.randn(4, 2, 5, 5))
    checkpoint.save_weights(small_net, tmp_path / "w.safetensors")
    other = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 4, 1),
    )
    checkpoint.load_weights(other, tmp_path / "w.safetensors")
    expected = small_net.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in other.state_dict().items())
    assert other[1].num_batches_tracked.item() == 1


def test_weights_that_are_views_of_one_vector_are_saved_one_by_one(tmp_path, small_net):
    before = checkpoint.snapshot(small_net)
    FlatParameters(small_net)
    FlatBuffers(small_net)
    path = tmp_path / "w.safetensors"
    checkpoint.save_weights(small_net, path)
    size = sum(value.numel() * value.element_size() for value in before.values())
    assert path.stat().st_size < size + 2000
    with torch.no_grad():
        small_net[0].weight.zero_()
    checkpoint.load_weights(small_net, path)
    assert torch.equal(small_net[0].weight, before["0.weight"])


def test_weights_of_another_network_are_refused(tmp_path, small_net):
    path = tmp_path / "w.safetensors"
    checkpoint.save_weights(small_net, path)
    for other in (nn.Conv2d(2, 3, 3), small_net[:2], nn.Sequential(nn.Conv2d(2, 5, 3))):
        with pytest.raises(UserError, match=r"w\.safetensors: they belong to another network"):
            checkpoint.load_weights(other, path)


@pytest.mark.parametrize("content", [None, b"", b"no safetensors"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, small_net, content):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"w\.safetensors: not a readable safetensors file"):
        checkpoint.load_weights(small_net, path)


def test_a_snapshot_does_not_follow_the_module(small_net):
    taken = checkpoint.snapshot(small_net)
    before = taken["0.weight"].clone()
    with torch.no_grad():
        small_net[0].weight.add_(1)
    small_net(torch.randn(4, 2, 5, 5))
    assert torch.equal(taken["0.weight"], before)
    assert not taken["1.running_mean"].any()
