"""What a candidate can do wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nas.evaluation.evaluation import DIVERGED, EvaluationError
from nas.training.loop import DivergedError
from search_spaces.genotype import Genotype


@contextmanager
def reasons(genotype: Genotype) -> Iterator[None]:
    """Turns what a candidate can do wrong into a reason that is recorded with its trial.

    Raises:
        EvaluationError: If it diverges, runs out of memory or cannot be built.
    """
    try:
        yield
    except DivergedError as error:
        raise EvaluationError(f"{DIVERGED} {error}") from error
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise EvaluationError(f"out of memory: {_first_line(error)}") from error
    except (MemoryError, RuntimeError, ValueError) as error:
        kind = "out of memory" if _is_memory(error) else "failed"
        raise EvaluationError(f"{kind}: {_first_line(error)} (genotype {genotype})") from error


def _is_memory(error: Exception) -> bool:
    # The CPU allocator of torch raises a plain RuntimeError.
    texts = ("not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
