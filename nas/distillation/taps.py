"""Outputs of modules inside a network, kept while it runs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class Taps:
    """Keeps what modules of a network give while it runs.

    ::

        with Taps(network, ["layer3", "layer4"]) as taps:
            logits = taps.run(images)
        maps = taps.outputs["layer4"]

    The hooks live as long as the `with` block, however it ends. What was kept stays until the
    next forward pass. Of a module that is called several times the last output counts. What the
    network changes in place later on, as an in-place ReLU does, is kept as it was before.

    Args:
        network: Runs as it is: its mode, gradients and autocast are its caller's.
        paths: Modules by their path, as in `named_modules`.
        until: Path of the module after whose first call `run` stops; None runs to the end.

    Attributes:
        outputs: Output of each module by its path, with its graph.

    Raises:
        ValueError: If the network has no such module.
    """

    def __init__(self, network: nn.Module, paths: Iterable[str], until: str | None = None):
        self.outputs: dict[str, Tensor] = {}
        self._network = network
        self._modules = {path: module_at(network, path) for path in paths}
        self._until = until
        self._end = None if until is None else module_at(network, until)
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Taps:
        if self._handles:
            raise ValueError("these taps are already in use; make others for a nested block")
        self.outputs.clear()
        self._handles.append(self._network.register_forward_pre_hook(self._clear))
        for path, module in self._modules.items():
            self._handles.append(module.register_forward_hook(self._keeper(path)))
        if self._end is not None:
            # Hooks run in the order of registration: an output at the end is kept before it.
            self._handles.append(self._end.register_forward_hook(self._stop))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def run(self, images: Tensor, forward: Callable[[Tensor], Any] | None = None) -> Any:
        """Runs the network, as far as it is wanted.

        Args:
            images: What the network takes.
            forward: Another way through the network than calling it, for example a method of it
                that also gives the logits of auxiliary heads.

        Returns:
            What the network gives, or None if it was stopped.

        Raises:
            ValueError: Outside the `with` block, if a module is not run, or if its output is not
                a tensor.
        """
        if not self._handles:
            raise ValueError("taps run a network inside their `with` block only")
        # A forward of one's own may pass by the hook of the network.
        self.outputs.clear()
        stopped, output = False, None
        try:
            output = (forward or self._network)(images)
        except _StoppedError as stop:
            if stop.taps is not self:
                raise
            stopped = True
        self._require_all_run(stopped)
        return output

    def _require_all_run(self, stopped: bool) -> None:
        if self._until is not None and not stopped:
            raise ValueError(f"module {self._until!r} is not run by the network")
        for path in self._modules:
            if path not in self.outputs:
                before = f" before {self._until!r}" if stopped else ""
                raise ValueError(f"module {path!r} is not run by the network{before}")

    def _clear(self, network: nn.Module, inputs: Any) -> None:
        self.outputs.clear()

    def _keeper(self, path: str) -> Callable[[nn.Module, Any, Any], Tensor]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise ValueError(
                    f"module {path!r} gives a {type(output).__name__}, and only tensors can be "
                    "tapped; choose a module inside it"
                )
            self.outputs[path] = output
            # The network goes on with a copy: a run that stops here and one that goes on must
            # see the same, whatever follows in place.
            return output.clone()

        return keep

    def _stop(self, module: nn.Module, inputs: Any, output: Any) -> None:
        raise _StoppedError(self)


class _StoppedError(Exception):
    """Leads out of a forward pass that has gone far enough."""

    def __init__(self, taps: Taps):
        super().__init__("the forward pass was stopped by its taps; call `Taps.run`")
        self.taps = taps


def module_at(network: nn.Module, path: str) -> nn.Module:
    """The module at a path.

    Raises:
        ValueError: If there is none, with the nearest path that exists.
    """
    modules = dict(network.named_modules(remove_duplicate=False))
    # The network itself has the empty path, which is more often a slip than a wish.
    if not path or path not in modules:
        raise ValueError(f"the network has no module {path!r}; {nearest_module(path, modules)}")
    return modules[path]


def nearest_module(path: str, known: Collection[str]) -> str:
    """A hint at the path that was meant, or at those of the outermost modules."""
    nearest = difflib.get_close_matches(path, [name for name in known if name], n=1)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    outermost = [name for name in known if name and "." not in name]
    return f"its outermost modules are {', '.join(outermost)}" if outermost else "it has none"
