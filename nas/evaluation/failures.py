"""What a candidate can do wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nas.evaluation.evaluation import DIVERGED, EvaluationError, MemoryLackError
from nas.training.loop import DivergedError, StalledError
from search_spaces.genotype import Genotype


@contextmanager
def reasons(genotype: Genotype) -> Iterator[None]:
    """Turns what a candidate can do wrong into a reason that is recorded with its trial.

    Raises:
        MemoryLackError: If it runs out of memory.
        EvaluationError: If it diverges, makes no progress or cannot be built.
    """
    try:
        yield
    except DivergedError as error:
        raise EvaluationError(f"{DIVERGED} {error}") from error
    except StalledError as error:
        raise EvaluationError(f"no progress: {error}") from error
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryLackError(f"out of memory: {_first_line(error)}") from error
    except (MemoryError, RuntimeError, ValueError) as error:
        told = f"{_first_line(error)} (genotype {genotype})"
        if _is_memory(error):
            raise MemoryLackError(f"out of memory: {told}") from error
        raise EvaluationError(f"failed: {told}") from error


def _is_memory(error: Exception) -> bool:
    # The CPU allocator of torch raises a plain RuntimeError.
    texts = ("not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
