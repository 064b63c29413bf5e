"""``nas space list | show | sample``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.values import assignments, image_size
from nas.errors import UserError
from nas.terminal import say

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace

app = typer.Typer(help="Search spaces.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the space.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE for an option of the space, for example cells=2."),
]
Size = Annotated[
    str, typer.Option("--input-size", help="Height and width of the images that costs are of.")
]
Classes = Annotated[int, typer.Option(help="Number of classes of the networks.", min=2)]


@app.command("list")
def list_spaces() -> None:
    """Print the spaces and their presets."""
    import search_spaces

    for name in search_spaces.names():
        say(name)
        for preset, options in search_spaces.presets(name).items():
            sizes = ", ".join(f"{key}={value}" for key, value in options.items())
            say(f"  {preset}: {sizes}")


@app.command()
def show(
    name: Name = "fastnas",
    options: Options = None,
    samples: Annotated[
        int, typer.Option(help="Random candidates whose costs are shown; 0 shows none.", min=0)
    ] = 60,
    size: Size = "128x128",
    classes: Classes = 11,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Print the decisions of a space, how many candidates it has, and what some of them cost."""
    space = _create(name, options)
    say(space.fingerprint)
    for decision in space.decisions:
        say(f"  {decision.name}: {', '.join(map(str, decision.options))}")
    say(f"{space.size:.3g} candidates")
    if samples:
        _say_costs(space, samples, size, classes, seed)


@app.command()
def sample(
    name: Name = "fastnas",
    options: Options = None,
    count: Annotated[int, typer.Option(help="Number of genotypes.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    costs: Annotated[bool, typer.Option("--costs", help="Show what they cost, too.")] = False,
    size: Size = "128x128",
    classes: Classes = 11,
) -> None:
    """Print random genotypes."""
    import random

    space = _create(name, options)
    rng = random.Random(seed)
    for _ in range(count):
        say(space.sample(rng))
    if costs:
        _say_costs(space, count, size, classes, seed)


def _say_costs(space: SearchSpace, count: int, size: str, classes: int, seed: int) -> None:
    from nas.report.space_costs import histogram, sampled_costs

    found = sampled_costs(space, count, image_size(size, "--input-size"), classes, seed)
    for cost, values in found.items():
        for line in histogram(cost, values):
            say(line)


def _create(name: str, options: list[str] | None) -> SearchSpace:
    import search_spaces

    try:
        given = search_spaces.starting_options(name, assignments(options or ()))
        return search_spaces.create(name, **given)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
