"""Places in a network, by module path or by stride, found by a dry run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from nas.distillation.dry_run import DryRun, Shape, dry_run
from nas.distillation.main_path import carries_everything
from nas.distillation.taps import nearest_module

PENULTIMATE = "penultimate"
"""The place whose output the classifier takes."""

STRIDE = "stride="
"""What a place by stride begins with."""

LAST_STRIDE = "stride=last"
"""The place of the last map at the coarsest stride."""

_LARGEST_STRIDE = 64


@dataclass(frozen=True)
class Places:
    """What a dry run found.

    Attributes:
        paths: Paths of all modules.
        shapes: Output shape of each module that gives a tensor, by path, in the order in which
            their last calls end.
        strides: Path of the map at each stride, the finest stride first; of maps of more than one
            position that everything passes through.
        vector: Path of what the classifier takes, or None.
        logits: Shape of the network's output.
        repeated: Paths of modules that are called several times.
        classifier: The linear layer whose output the logits are, or None.
        has_tokens: Whether the network goes on with tokens after its last maps, as transformers
            do; it has no strides then.
        last: Path of the map at the coarsest stride, even if it has one position, or None.
    """

    paths: frozenset[str]
    shapes: dict[str, Shape]
    strides: dict[int, str]
    vector: str | None
    logits: Shape
    repeated: frozenset[str]
    classifier: nn.Linear | None = None
    has_tokens: bool = False
    last: str | None = None

    @property
    def sizes(self) -> dict[tuple[int, int], str]:
        """Path of the map of each height and width, the largest first."""
        sizes = {path: self.shapes[path][2:] for path in self.strides.values()}
        return {(height, width): path for path, (height, width) in sizes.items()}

    def classifier_of(self, path: str) -> nn.Linear:
        """The layer that turns the features of a map into logits.

        Raises:
            ValueError: If the network has no linear classifier, or it takes other features than
                those of the map.
        """
        if self.classifier is None:
            raise ValueError(
                "a loss on cells needs a network whose logits come from a linear layer, and this "
                "one has none"
            )
        shape = self.shape(path)
        if shape[1] != self.classifier.in_features:
            raise ValueError(
                f"the classifier takes {self.classifier.in_features} features, and the map at "
                f"{path!r} has {shape[1]}; choose the map that is averaged for it"
            )
        return self.classifier

    def find(self, place: str) -> str:
        """The path of a place, as `find_path`.

        Raises:
            ValueError: If there is no such place.
        """
        if place.startswith(STRIDE):
            return self._at_stride(place)
        if place == PENULTIMATE and place not in self.paths:
            return self.vector or self._at_stride(LAST_STRIDE)
        if not place or place not in self.paths:
            raise ValueError(
                f"the network has no module {place!r}; {nearest_module(place, sorted(self.paths))}"
            )
        return place

    def shape(self, path: str) -> Shape:
        """The output shape of a module.

        Raises:
            ValueError: If the module is not run, or does not give a tensor.
        """
        if path not in self.shapes:
            raise ValueError(
                f"module {path!r} is not run by the network, or does not give a tensor; choose "
                "another module"
            )
        return self.shapes[path]

    def _at_stride(self, place: str) -> str:
        if self.has_tokens:
            raise ValueError(
                f"the network works on tokens, so it has no {place!r}; name a module, or choose a "
                "loss that compares logits or vectors"
            )
        if not self.strides:
            raise ValueError(f"the network gives no maps, so it has no {place!r}; name a module")
        if place == LAST_STRIDE:
            return self.strides[max(self.strides)]
        word = place.removeprefix(STRIDE)
        if not word.isdecimal():
            raise ValueError(f"a stride is a whole number or 'last', not {word!r}")
        if int(word) not in self.strides:
            available = ", ".join(map(str, self.strides))
            raise ValueError(f"the network has no map at stride {word}; it has {available}")
        return self.strides[int(word)]


def find_path(network: nn.Module, place: str, input_shape: Sequence[int]) -> str:
    """The path of the module at a place.

    Of all maps at a stride, those inside a block that changes the stride come last in question,
    and of the others the last to end is taken: the output of a stage, not the expansion at the
    beginning of the next. Branches beside a shortcut, gates, and maps of one position are none.

    Args:
        network: Left as it is.
        place: A module path; or ``stride=16``, a map at that stride, where sizes are rounded as
            convolutions round them; or ``stride=last``, the coarsest stride; or ``penultimate``,
            the vector that the classifier takes, or the last map if no module gives that vector.
        input_shape: N x channels x height x width of the images.

    Raises:
        ValueError: If there is no such place: with the nearest module, or the strides there are.
    """
    return survey(network, input_shape).find(place)


def shapes(
    network: nn.Module, paths: Iterable[str], input_shape: Sequence[int]
) -> dict[str, Shape]:
    """Output shapes of modules, by path, for images of a shape.

    Raises:
        ValueError: If there is no such module, it is not run, or it does not give a tensor.
    """
    places = survey(network, input_shape)
    return {path: places.shape(places.find(path)) for path in paths}


def survey(network: nn.Module, input_shape: Sequence[int]) -> Places:
    """Finds the places of a network, which is left as it is.

    Args:
        network: Its forward gives logits, or logits and auxiliary outputs.
        input_shape: N x channels x height x width of the images.
    """
    shape = tuple(input_shape)
    run = dry_run(network, shape)
    larger = _larger_run(network, run, shape)
    by_stride, last = {}, None
    for stride, paths in sorted(_ranked(network, _strides(run, larger)).items()):
        path = _first_on_main_path(network, paths, shape)
        last = path or last
        # A map of one position has no places to compare.
        if path is not None and run.shapes[path][2:] == (1, 1):
            maps = [path for path in paths if run.shapes[path][2:] != (1, 1)]
            path = _first_on_main_path(network, maps, shape)
        if path is not None:
            by_stride[stride] = path
    has_tokens = _goes_on_with_tokens(network, run, larger, by_stride, shape)
    if has_tokens:
        by_stride = {}
    return Places(
        frozenset(path for path, _ in network.named_modules(remove_duplicate=False)),
        run.shapes,
        by_stride,
        _penultimate(run, by_stride[max(by_stride)] if by_stride else None),
        tuple(run.logits.shape),
        frozenset(path for path, calls in run.calls.items() if calls > 1),
        _classifier(network, run),
        has_tokens,
        None if has_tokens else last,
    )


def _larger_run(network: nn.Module, run: DryRun, shape: Shape) -> DryRun | None:
    """A run on larger images; None if the network takes images of one size only."""
    # A size at which all strides come out even.
    sizes = ((-(-size // _LARGEST_STRIDE) + 1) * _LARGEST_STRIDE for size in shape[2:])
    try:
        larger = dry_run(network, (*shape[:2], *sizes))
    except (AssertionError, RuntimeError, ValueError):
        return None
    return larger if larger.images != run.images else None


def _strides(run: DryRun, larger: DryRun | None) -> dict[str, int]:
    """Stride of every module that gives a map at one, in the order of the run."""
    found = {
        path: _rounded_stride(run.images, output)
        if larger is None
        else _exact_stride(larger.images, output, larger.shapes.get(path, ()))
        for path, output in run.shapes.items()
        if len(output) == 4
    }
    return {path: stride for path, stride in found.items() if stride is not None}


def _exact_stride(larger_shape: Shape, output: Shape, larger_output: Shape) -> int | None:
    """The stride, told from pooled maps by growing with the image; None for what is no map.

    In a small image the map of squeeze-and-excitation, or of the last pooling, is as large as one
    at the coarsest stride.
    """
    if len(larger_output) != 4:
        return None
    if any(new <= old for old, new in zip(output[2:], larger_output[2:], strict=True)):
        return None
    ratios = {divmod(i, o) for i, o in zip(larger_shape[2:], larger_output[2:], strict=True)}
    stride, rest = ratios.pop()
    return stride if not ratios and rest == 0 else None


def _rounded_stride(shape: Shape, output: Shape) -> int | None:
    """The stride by size alone, a power of two; a map of one position may be a pooled one."""
    if output[2:] == (1, 1):
        return None
    stride = 1
    while stride <= _LARGEST_STRIDE:
        if output[2:] == tuple(-(-size // stride) for size in shape[2:]):
            return stride
        stride *= 2
    return None


def _ranked(network: nn.Module, strides: dict[str, int]) -> dict[int, list[str]]:
    """The paths in question at each stride, the best first."""
    # A sequence only lines its modules up, so theirs are outputs of stages too.
    blocks = {
        path
        for path, module in network.named_modules(remove_duplicate=False)
        if not isinstance(module, nn.Sequential)
    }
    found: dict[int, list[tuple[int, int, str]]] = {}
    for order, (path, stride) in enumerate(strides.items()):
        within = sum(
            around in blocks and strides.get(around, stride) != stride
            for around in _ancestors(path)
        )
        found.setdefault(stride, []).append((within, -order, path))
    return {stride: [path for *_, path in sorted(paths)] for stride, paths in found.items()}


def _first_on_main_path(network: nn.Module, paths: Iterable[str], shape: Shape) -> str | None:
    return next((path for path in paths if carries_everything(network, path, shape)), None)


def _goes_on_with_tokens(
    network: nn.Module, run: DryRun, larger: DryRun | None, strides: dict[int, str], shape: Shape
) -> bool:
    order = list(run.shapes)
    start = order.index(strides[max(strides)]) if strides else -1
    paths = [
        path
        for path in reversed(order[start + 1 :])
        if _is_of_tokens(run.shapes[path], larger.shapes.get(path, ()) if larger else None)
    ]
    # The outermost ones first: what is inside a block is often a branch.
    paths.sort(key=lambda path: path.count("."))
    return _first_on_main_path(network, paths, shape) is not None


def _is_of_tokens(output: Shape, larger_output: Shape | None) -> bool:
    """Whether an output has its channels last: N x tokens x channels, or N x H x W x channels."""
    if len(output) not in (3, 4):
        return False
    if larger_output is None:
        return len(output) == 3 or output[1] == output[2] != output[3]
    if len(larger_output) != len(output):
        return False
    grows = [new > old for old, new in zip(output, larger_output, strict=True)]
    return all(grows[1:-1]) and not grows[-1]


def _ancestors(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _classifier(network: nn.Module, run: DryRun) -> nn.Linear | None:
    logits = run.logits.untyped_storage().data_ptr()
    for path, vector in run.vectors.items():
        module = network.get_submodule(path)
        if isinstance(module, nn.Linear) and vector.untyped_storage().data_ptr() == logits:
            return module
    return None


def _penultimate(run: DryRun, coarsest: str | None) -> str | None:
    order = list(run.shapes)
    # Squeeze-and-excitation has vectors too, before its map.
    start = order.index(coarsest) if coarsest else -1
    # A classifier by convolution gives the logits as a map, of which they are a view.
    logits = run.logits.untyped_storage().data_ptr()
    for path in reversed(order[start + 1 :]):
        vector = run.vectors.get(path)
        if vector is not None and vector.untyped_storage().data_ptr() != logits:
            return path
    return None
