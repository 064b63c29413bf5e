"""What a format is: how a network is written in it, and how such a file is run here."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latency.errors import ExportError, UnavailableError
from latency.exporting.norm_folding import fold_batch_norm
from latency.exporting.recording import Recording
from latency.network import on_cpu

INPUT_NAME = "image"
OUTPUT_NAME = "logits"


@dataclass(frozen=True)
class Opened:
    """An exported network that is ready to run on the CPU.

    Attributes:
        run: Maps one batch of images to the logits.
        shape: Of the batch that it takes.
        dtype: Number format of the images: float32 or uint8.
    """

    run: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, ...]
    dtype: np.dtype


class Format(ABC):
    """Writes networks in a format, and runs what was written.

    Attributes:
        name: How a user names it.
        title: How its makers write it.
        suffix: Of its files, with the dot.
        extra: Extra of this package that installs its converter; None where nothing is missing.
        packages: What converts and runs it, of which records tell the versions. The first one is
            named where it does not work with the installed PyTorch.
        tested: Versions that are known to work together, for messages.
        engine: Latency engine that measures its files; None where nothing here does.
        absent_runtime: Why its files do not run here, as a clause; None where they do.
    """

    name: str
    title: str
    suffix: str
    extra: str | None = None
    packages: tuple[str, ...] = ()
    tested: str = ""
    engine: str | None = None
    absent_runtime: str | None = None

    @abstractmethod
    def write(
        self, network: nn.Module, image: Tensor, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Writes a network.

        Args:
            network: On the CPU, in evaluation mode; a `Preprocessed` one takes uint8.
            image: A batch of the shape and the number format that the file is fixed to.
            path: A file that is not there yet, whose name ends in the suffix.
            metadata: What the file tells of its network, where the format has a place for it.

        Raises:
            UnavailableError: If the converter is missing or does not work here.
            ExportError: If it cannot convert the network.
        """

    @abstractmethod
    def open(self, path: Path, threads: int = 1) -> Opened:
        """Loads a file for the CPU.

        Args:
            path: The file.
            threads: CPU threads of one operator.

        Raises:
            UnavailableError: If its runtime is missing or does not run here.
            LatencyError: If the file is none of this format.
        """

    def files(self, path: Path) -> tuple[Path, ...]:
        """Everything that belongs to an exported network: its file, and others beside it."""
        return (path,)

    def versions(self) -> dict[str, str]:
        """The installed version of each package, PyTorch's included."""
        found = {"torch": str(torch.__version__)}
        for package in self.packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found

    @contextmanager
    def imports(self) -> Iterator[None]:
        """Around the imports of a converter or a runtime: makes a sentence of what goes wrong.

        Raises:
            UnavailableError: What to install, or which versions work together.
        """
        try:
            with _quietly():
                yield
        except ModuleNotFoundError as error:
            if self.packages and self.packages[0] in self.versions():
                raise self._unfitting(error) from error
            raise UnavailableError(
                f"{self.title} needs packages that are not installed: "
                f"pip install 'nas_toolkit[{self.extra}]'."
            ) from error
        # Compiled modules that were built for another PyTorch.
        except (ImportError, OSError, AttributeError, RuntimeError) as error:
            raise self._unfitting(error) from error

    @contextmanager
    def conversion(self) -> Iterator[None]:
        """Around the converter's own code, which raises whatever it pleases.

        Raises:
            ExportError: With its reason, and the versions that were tested.
        """
        try:
            with _quietly():
                yield
        except (ExportError, UnavailableError, MemoryError):
            raise
        except Exception as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(
                f"{self.title} cannot convert the network ({text[:200].rstrip('. ')}); "
                f"{self._here()}."
            ) from error

    def _unfitting(self, error: BaseException) -> UnavailableError:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = text[:200].rstrip(". ")
        return UnavailableError(f"{self.title} does not load here ({reason}); {self._here()}.")

    def _here(self) -> str:
        installed = ", ".join(f"{name} {number}" for name, number in self.versions().items())
        return f"installed: {installed}; known to work: {self.tested}"


@contextmanager
def _quietly() -> Iterator[None]:
    # Converters log which libraries and versions they do not know, and what is deprecated.
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def recorded(network: nn.Module, image: Tensor) -> Recording:
    """A network as a straight line of standard calls, which converters can follow.

    Args:
        network: On the CPU, in evaluation mode.
        image: A batch of the shape that it is fixed to.

    Raises:
        ExportError: If it gives anything but one tensor.
    """
    found = fold_batch_norm(Recording.of(on_cpu(network), image)).eval()
    found.requires_grad_(False)
    return found
