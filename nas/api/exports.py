"""Networks on their way to other runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError
from nas.results import Records

if TYPE_CHECKING:
    from nas.api.results import Retrained, TrainedRun


@dataclass(frozen=True)
class ExportedNetwork:
    """The files of an exported network.

    Attributes:
        files: The file of each format, by its name.
        figures: Of each file: size in bytes, largest difference to PyTorch, median latency.
        card: A page about the network in Markdown.
        failures: A sentence for each format that could not be written.
    """

    files: dict[str, Path]
    figures: Records
    card: Path
    failures: dict[str, str]


def export(
    network: str | Path | Retrained | TrainedRun,
    to: str | Sequence[str] = "onnx",
    *,
    out: str | Path | None = None,
    preprocess: str | None = None,
    tolerance: float | None = None,
    data: str | Path | None = None,
) -> ExportedNetwork:
    """Exports a trained network, compares each file with PyTorch and measures it on the CPU.

    Args:
        network: What `retrain`, `train` or `distill` gave or made.
        to: Formats: onnx, torch.export, openvino, litert, coreml, executorch, or the import path of
            one's own.
        out: The file, or for several formats their folder; beside the weights unless given.
        preprocess: ``nhwc`` or ``nchw`` to build the normalisation into the graph, which then takes
            uint8 images of this layout.
        tolerance: Largest difference to PyTorch's outputs that is accepted, as a share of the
            largest output; 0.001 unless given.
        data: Folder of the images that files are compared on, if they have moved.

    Returns:
        The files. A format that fails leaves the others as they are.

    Raises:
        UserError: If there is no such network or format, or no format could be written.

    Examples:
        >>> found = nas.export(folder / "teacher", ["onnx", "torch.export"], preprocess="nhwc")
        >>> [path.name for path in found.files.values()]
        ['model-nhwc.onnx', 'model-nhwc.pt2']
    """
    from nas.deployment.delivery import deliver, targets, task_if_known
    from nas.deployment.formats import FormatOptions
    from nas.deployment.trained_network import (
        NamedTask,
        file_of,
        is_self_contained,
        task_of_training,
        trained_network,
    )

    names = (to,) if isinstance(to, str) else tuple(to)
    options = FormatOptions(names, preprocess)
    if tolerance is not None:
        options = replace(options, tolerance=tolerance)
    place = network if isinstance(network, (str, Path)) else network.path
    weights = file_of(Path(place).expanduser())
    needed = data is not None or not is_self_contained(weights)
    named = NamedTask(data=None if data is None else Path(data))
    task = task_of_training(weights, named) if needed else None
    trained = trained_network(weights, task)
    task = task or task_if_known(trained)
    paths = targets(weights, options, None if out is None else Path(out).expanduser())
    found = deliver(trained, paths, options, task)
    exported = found.exported
    if found.card is None:
        raise UserError(" ".join(exported.failures.values()))
    return ExportedNetwork(
        files={facts["format"]: path for path, facts in exported.files.items()},
        figures=Records(
            {
                "format": facts["format"],
                "size": facts["size"],
                "largest_difference": facts["largest_difference"],
                "median_ms": facts["latency"] and facts["latency"]["median_ms"],
            }
            for facts in exported.files.values()
        ),
        card=found.card,
        failures=exported.failures,
    )
