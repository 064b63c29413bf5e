"""Limits and latency options that are typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas.cli.limits import amount, limits
from nas.cli.values import one_of
from nas.controllers.registry import names
from nas.errors import UserError
from nas.searching.records import read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study


@pytest.mark.parametrize(
    ("cost", "text", "value"),
    [
        ("latency", "5", 5.0),
        ("latency", "5ms", 5.0),
        ("latency", "800us", 0.8),
        ("latency", "800 µs", 0.8),
        ("latency", "0.01s", 10.0),
        ("latency_ms_pixel2", "5ms", 5.0),
        ("params", "1500000", 1.5e6),
        ("params", "1.5M", 1.5e6),
        ("flops", "6e8", 6e8),
        ("macs", "2G", 2e9),
        ("memory", "8MB", 8e6),
        ("memory", "512KiB", 2.0**19),
        ("memory", "4096", 4096.0),
        ("energy", "0.5J", 500.0),
    ],
)
def test_an_amount_is_read_with_its_unit(cost: str, text: str, value: float) -> None:
    assert amount(cost, text, "--limit") == value


@pytest.mark.parametrize(
    ("cost", "text", "message"),
    [
        ("latency", "five", "--max-latency 'five': expected a number such as 5, 5ms, 800us or"),
        ("latency", "5MB", "--max-latency '5MB': expected a number such as 5, 5ms"),
        ("latency", "-5ms", "--max-latency '-5ms': expected a number"),
        ("params", "1.5.0M", "--max-params '1.5.0M': expected a number such as 1500000, 1.5M"),
        ("params", "5ms", "--max-params '5ms': expected a number such as 1500000"),
        ("memory", "8mb", "--max-memory '8mb': expected a number such as 8000000, 8MB or 512KiB"),
        ("flops", "0", "--max-flops '0': a limit must be a number above 0"),
        ("flops", "1e999", "--max-flops '1e999': a limit must be a number above 0"),
    ],
)
def test_a_wrong_amount_is_refused(cost: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        amount(cost, text, f"--max-{cost}")
    assert str(error.value).startswith(message)


def test_limits_of_all_options_are_put_together() -> None:
    typed = limits({"latency": "5ms", "params": "2M"}, ["latency_ms_pixel2=9ms", "steps = 3k"])
    assert typed == {
        "limits.latency": 5.0,
        "limits.params": 2e6,
        "limits.latency_ms_pixel2": 9.0,
        "limits.steps": 3000.0,
    }


@pytest.mark.parametrize("pair", ["params", "=5", "params="])
def test_a_limit_needs_a_cost_and_a_value(pair: str) -> None:
    with pytest.raises(UserError, match=r"expected COST=VALUE, for example params=1\.5M"):
        limits({}, [pair])


def test_a_cost_is_limited_once() -> None:
    with pytest.raises(UserError, match="params is limited twice; give one limit of it"):
        limits({"params": "2M"}, ["params=3M"])


def test_the_help_lists_every_controller(nas) -> None:
    text = " ".join(nas("search", "--help").out.replace("│", " ").split())
    assert one_of(names()) == "preference, " + one_of(names()[1:])
    assert all(re.search(rf"\b{name}(,| or|;)", text) for name in names())
    assert "default: preference." in text


def test_a_search_keeps_to_its_limits(nas, toy_table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = ("search", "--table", toy_table, "--run", folder, "--controller", "random")
    options = ("--set", "dataset=shapes", "--trials", 6, "--limit", "latency_ms_toy=4ms")
    outcome = nas(*arguments, *options, "--max-params", "3k")
    assert outcome.code == 0, outcome.err
    config = RunFolder.open(folder).config()
    assert config.limits == {"params": 3000.0, "latency_ms_toy": 4.0}
    records = read_records(read_study(RunFolder.open(folder)))
    complete = [record for record in records if record.is_complete]
    assert len(complete) == 6
    assert max(record.costs["latency_ms_toy"] for record in complete) <= 4
    pruned = [record for record in records if record.state == "pruned"]
    assert all(record.beyond and record.quality is None for record in pruned)
    assert len(pruned) + 6 == len(records)
    assert pruned
    shown = nas("status", folder).out
    assert f"{len(pruned)} beyond the limits, not trained" in shown
    broken = sum("latency_ms_toy" in record.beyond for record in pruned)
    assert f"{broken} x latency ms toy" in shown
    assert nas("pareto", "list", folder, "--cost", "params").code == 0


def test_a_resumed_search_keeps_its_limits(nas, toy_table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    limited = ("--limit", "latency_ms_toy=4")
    start = ("search", "--table", toy_table, "--run", folder, "--set", "dataset=shapes")
    assert nas(*start, "--trials", 2, *limited).code == 0
    again = ("search", "--run", folder, "--resume", "--trials")
    assert nas(*again, 4).code == 0
    records = read_records(read_study(RunFolder.open(folder)))
    latencies = [record.costs["latency_ms_toy"] for record in records if record.is_complete]
    assert len(latencies) == 4
    assert max(latencies) <= 4
    refused = nas(*again, 5, "--limit", "latency_ms_toy=6")
    assert (refused.code, "'limits.latency_ms_toy' cannot be changed" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-latency", "4ms"), "no cost 'latency' to limit; known: macs, flops, params"),
        (("--max-params", "10"), "none of 200 sampled candidates is within the limits: the limit"),
        (("--max-params", "ten"), "--max-params 'ten': expected a number such as 1500000"),
        (("--set", "limits.params=-1"), "the limit of params must be a number above 0, not -1"),
        (("--set", "limits.params=1M"), "limits.params: Input should be a valid number"),
    ],
)
def test_wrong_limits_are_refused_in_a_sentence(
    nas, toy_table: Path, tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    start = ("search", "--table", toy_table, "--run", tmp_path / "run", "--set", "dataset=shapes")
    outcome = nas(*start, *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


LIMITED = ("search", "--set", "task_options={train: 24, validation: 8, test: 8, size: 32}")


def test_a_limit_alone_chooses_the_space(nas, tmp_path: Path, tiny, monkeypatch) -> None:
    seen = []

    def start(config, folder, assembly, import_path, look):
        seen.append(config)
        return RunFolder.create(folder, config)

    monkeypatch.setattr("nas.searching.search.start", start)
    monkeypatch.setattr("nas.cli.search._report", lambda run: None)
    monkeypatch.setattr("nas.searching.sizing._SAMPLES", 4)
    outcome = nas(
        *LIMITED, "--encoder", "ghostnet_050", "--max-params", "2M", "--run", tmp_path / "a"
    )
    assert outcome.code == 0, outcome.err
    assert "space small: 100% of 4 sampled candidates are within the limits" in outcome.out
    assert seen[0].space.name == "small"
    assert seen[0].space.options["encoders"] == ["ghostnet_050"]
    # A space that is named stays.
    named = ("--space", "fastnas", "--max-params", "2M", "--run", tmp_path / "b")
    assert nas(*LIMITED, *named).code == 0
    assert seen[1].space.name == "fastnas"


def test_a_limit_that_no_space_meets_is_refused(nas, tmp_path: Path, tiny, monkeypatch) -> None:
    monkeypatch.setattr("nas.searching.sizing._SAMPLES", 2)
    outcome = nas(*LIMITED, "--max-params", "3K", "--run", tmp_path / "run")
    assert outcome.code == 2
    assert "nano has some with --limit params=" in " ".join(outcome.err.split())
    assert not (tmp_path / "run").exists()
