"""Which parts of a network a training leaves alone, and which it changes slowly."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from torch import nn

from nas.errors import UserError
from nas.training.update import Group

Part = nn.Module | nn.Parameter
"""What can be frozen."""


def modules_at(network: nn.Module, paths: Collection[str], what: str) -> dict[str, nn.Module]:
    """The modules at paths, none inside another.

    Args:
        network: Whose.
        paths: Module paths as ``named_modules`` gives them.
        what: Names the list in the message.

    Raises:
        UserError: If there is no such module, or a path lies inside another one.
    """
    known = dict(network.named_modules())
    for path in paths:
        if not path or path not in known:
            near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
            top = ", ".join(name for name, _ in network.named_children())
            hint = f"did you mean {near[0]!r}?" if near else f"its parts are {top}."
            raise UserError(f"{what}: the network has no module {path!r}; {hint}")
        outer = [other for other in paths if path.startswith(f"{other}.")]
        if outer:
            raise UserError(f"{what}: {path!r} lies inside {outer[0]!r}; name one of them.")
    return {path: known[path] for path in paths}


def all_but(network: nn.Module, kept: Collection[nn.Module]) -> tuple[Part, ...]:
    """The largest modules that hold none of some modules and lie in none of them.

    Where a module holds one of them, its own parameters, as a transformer's position embedding,
    come one by one.
    """
    found: list[Part] = list(network.parameters(recurse=False))
    for child in network.children():
        if child in kept:
            continue
        if any(module in kept for module in child.modules()):
            found += all_but(child, kept)
        else:
            found.append(child)
    return tuple(found)


@contextmanager
def frozen(parts: Collection[Part]) -> Iterator[None]:
    """A block in which the parameters of parts ask for no gradient.

    Batch norms keep their statistics only in evaluation mode, which is the loop's business.
    """
    changed = [p for part in parts for p in _parameters(part) if p.requires_grad]
    for parameter in changed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in changed:
            parameter.requires_grad_(True)


def _parameters(part: Part) -> list[nn.Parameter]:
    return [part] if isinstance(part, nn.Parameter) else list(part.parameters())


def groups(
    network: nn.Module,
    frozen_modules: Collection[nn.Module],
    rates: Mapping[nn.Module, float],
    base: Group,
) -> list[Group]:
    """One group for each module with a rate of its own, and one for the rest.

    Args:
        network: What is trained.
        frozen_modules: Left out.
        rates: Factor of the base rate, by module.
        base: Optimiser, rate and decay of the rest.
    """
    left = tuple(frozen_modules)
    found = [_group(base, module, factor, left) for module, factor in rates.items()]
    rest = _group(base, network, 1.0, (*left, *rates))
    if _learns(rest):
        found.append(rest)
    return [group for group in found if _learns(group)]


def _group(base: Group, module: nn.Module, factor: float, without: tuple[nn.Module, ...]) -> Group:
    rate = base.learning_rate * factor
    return replace(base, module=module, learning_rate=rate, without=without)


def _learns(group: Group) -> bool:
    left = {id(p) for module in group.without for p in module.parameters()}
    return any(p.requires_grad and id(p) not in left for p in group.module.parameters())
