from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from nas.deployment.showing import layer_times, predictions
from nas.report.pictures import class_colours
from nas.tasks import from_datasets


def test_the_page_lies_in_the_run_and_has_its_retrained_network(nas, own_run) -> None:
    fast = ("--device", "cpu", "--epochs", 1, "--set", "augmentation=none")
    assert nas("retrain", own_run, "--trial", 0, *fast).code == 0
    outcome = nas("report", own_run)
    assert outcome.code == 0, outcome.err
    path = own_run / "report.html"
    assert outcome.out.split() == [str(path)]
    (run,) = _values(path)["runs"]
    assert run["network"] == "trial-0" and run["retrained"][0]["name"] == "trial-0"
    assert run["layers"] and all(layer["ms"] > 0 for layer in run["layers"])
    assert [len(picture["images"]) for picture in run["pictures"]] == [3] * len(run["pictures"])
    assert [name for name, _ in run["colours"]][:2] == ["background", "skin"]
    (latency,) = [layer_times(own_run / "retrain/trial-0/model.onnx")]
    assert [layer["layer"] for layer in latency] == [layer["layer"] for layer in run["layers"]]


def test_without_a_retrained_network_the_page_says_how_to_get_one(nas, finished_run, tmp_path):
    target = tmp_path / "page.html"
    assert nas("report", finished_run, "--output", target).code == 0
    (note,) = _values(target)["runs"][0]["notes"]
    assert "nas retrain" in note and "--best" in note


def test_a_quick_page_runs_no_network(nas, finished_run, tmp_path) -> None:
    target = tmp_path / "page.html"
    assert nas("report", finished_run, "--quick", "--output", target).code == 0
    assert _values(target)["runs"][0]["notes"] == []


def test_a_link_in_a_run_is_not_written_through(nas, own_run, tmp_path) -> None:
    (own_run / "report.html").symlink_to(tmp_path / "elsewhere")
    outcome = nas("report", own_run, "--quick")
    assert outcome.code == 2 and "this is a link" in outcome.err
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--port", 80), "belongs to --watch"),
        (("--watch", "--quick"), "leave --output, --data and --quick out"),
    ],
)
def test_options_that_would_do_nothing_are_refused(nas, finished_run, options, sentence) -> None:
    outcome = nas("report", finished_run, *options)
    assert outcome.code == 2 and sentence in " ".join(outcome.err.split())


def test_a_run_that_is_given_twice_is_refused(nas, finished_run) -> None:
    outcome = nas("report", finished_run, finished_run)
    assert outcome.code == 2 and "given twice" in outcome.err


class _Bright(nn.Module):
    """Takes an image for class 1 if it is bright."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        light = images.mean(dim=(1, 2, 3))
        return torch.stack([-light, light], dim=1)


def test_the_best_predictions_come_first_and_the_worst_last() -> None:
    values = torch.linspace(0, 255, 12).to(torch.uint8)
    images = values[:, None, None, None].expand(12, 3, 8, 8).contiguous()
    labels = torch.tensor([0, 1] * 6)
    split = list(zip(images, labels.tolist(), strict=True))
    task = from_datasets("light", ("dark", "bright"), split, split, split)
    found = predictions(_Bright(), task)
    scores = [one["score"] for one in found]
    assert len(found) == 8 and scores == sorted(scores, reverse=True)
    assert found[0]["caption"].startswith("taken for") and ", and is " not in found[0]["caption"]
    assert ", and is " in found[-1]["caption"]


def test_colours_of_classes_differ() -> None:
    colours = class_colours(20).astype(int)
    distances = np.abs(colours[:, None] - colours[None]).sum(-1)
    assert distances[~np.eye(20, dtype=bool)].min() > 30


def _values(path):
    text = path.read_text(encoding="utf-8")
    start = text.index('id="values">') + len('id="values">')
    return json.loads(text[start : text.index("</script>", start)])
