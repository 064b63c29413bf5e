from __future__ import annotations

import pytest
import torch

from nas.evaluation import evaluator as module
from nas.evaluation.evaluation import EvaluationError
from nas.kinds.segmentation.objective import SegmentationObjective
from nas.training.phase import run_phase
from search_spaces.genotype import Genotype

ONLY_STAGE1 = {"stage0": {"enabled": False}, "stage1": {"enabled": True}}


@pytest.fixture
def failing(monkeypatch, evaluate):
    """Evaluates with a training that raises."""

    def run(error):
        def train(*arguments):
            raise error

        monkeypatch.setattr(module, "run_phase", train)
        return evaluate()

    return run


@pytest.mark.parametrize("stages", [{}, ONLY_STAGE1], ids=["stage0", "stage1"])
def test_a_loss_that_is_not_finite_is_a_reason_and_no_score(evaluate, monkeypatch, stages):
    call = SegmentationObjective.__call__
    monkeypatch.setattr(
        SegmentationObjective, "__call__", lambda self, *args: float("nan") * call(self, *args)
    )
    with pytest.raises(EvaluationError, match=r"^diverged: the loss became nan in epoch 0"):
        evaluate(**stages)


@pytest.mark.parametrize("stages", [{"stage0": {}}, ONLY_STAGE1], ids=["stage0", "stage1"])
def test_weights_that_are_not_finite_after_the_last_update_give_no_score(
    evaluate, monkeypatch, stages
):
    # The losses were finite to the end, but the last gradient was not.
    call = SegmentationObjective.__call__
    one_update = {"epochs": 1, "batch_size": 24}

    def spoiled(self, logits, *args):
        # The root of zero has an infinite slope.
        return call(self, logits, *args) + (0 * logits.sum()).sqrt()

    monkeypatch.setattr(SegmentationObjective, "__call__", spoiled)
    with pytest.raises(EvaluationError, match=r"^diverged"):
        evaluate(**{stage: values | one_update for stage, values in stages.items()})


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nSee"),
        MemoryError("no memory left"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["gpu", "python", "cpu on Windows", "cpu on Linux"],
)
def test_running_out_of_memory_is_a_reason(failing, error):
    with pytest.raises(EvaluationError, match=r"^out of memory: ") as caught:
        failing(error)
    assert str(error).split("\n")[0] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_what_the_cpu_allocator_says_is_out_of_memory(evaluate, monkeypatch):
    def train(*arguments):
        torch.empty(2**60)

    monkeypatch.setattr(module, "run_phase", train)
    with pytest.raises(EvaluationError, match=r"^out of memory"):
        evaluate()


@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_a_failure_names_the_genotype(failing, genotypes, kind):
    with pytest.raises(EvaluationError) as caught:
        failing(kind("sizes differ\nmore"))
    assert str(caught.value) == f"failed: sizes differ (genotype {genotypes.first})"


def test_a_candidate_that_cannot_be_built_is_a_reason(make_evaluator):
    evaluator = make_evaluator()
    with pytest.raises(EvaluationError, match=r"^failed: .*\(genotype "):
        evaluator.evaluate(Genotype("fastnas", ((99,), ((0, 0), (0, 0)))), 0)


def test_distillation_without_a_teacher_is_a_reason(evaluate):
    with pytest.raises(EvaluationError, match="no teacher logits"):
        evaluate(distillation={"enabled": True})


@pytest.mark.parametrize("kind", [AttributeError, KeyError, AssertionError])
def test_a_mistake_in_the_program_is_not_taken_for_a_bad_candidate(failing, kind):
    with pytest.raises(kind, match="bug"):
        failing(kind("bug"))


def test_a_candidate_after_a_failed_one_scores_as_ever(make_evaluator, genotypes, monkeypatch):
    evaluator = make_evaluator(**ONLY_STAGE1)
    expected = evaluator.evaluate(genotypes.first, 0).scores
    with monkeypatch.context() as patch:
        call = SegmentationObjective.__call__
        patch.setattr(
            SegmentationObjective, "__call__", lambda self, *args: float("nan") * call(self, *args)
        )
        with pytest.raises(EvaluationError):
            evaluator.evaluate(genotypes.first, 0)
    assert evaluator.evaluate(genotypes.first, 0).scores == expected


def test_a_candidate_that_runs_out_of_memory_is_tried_with_half_the_batch(evaluate, monkeypatch):
    whole = evaluate(stage0={"batch_size": 4})
    tried = []

    def train(phase, *arguments):
        tried.append(len(next(iter(phase.loop.batches.epoch(0))).targets))
        if len(tried) == 1:
            raise MemoryError("no memory left")
        return run_phase(phase, *arguments)

    monkeypatch.setattr(module, "run_phase", train)
    found = evaluate(stage0={"batch_size": 8})
    assert tried == [8, 4]
    assert found.scores == whole.scores
    assert found.details["half_batch"].startswith("out of memory: no memory left")
    assert "half_batch" not in whole.details
