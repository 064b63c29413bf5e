"""``nas space list | show | sample``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.values import assignments
from nas.errors import UserError

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace

app = typer.Typer(help="Search spaces.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the space.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE for an option of the space, for example cells=2."),
]


@app.command("list")
def list_spaces() -> None:
    """Print the spaces and their presets."""
    import search_spaces

    for name in search_spaces.names():
        print(name)
        for preset, options in search_spaces.presets(name).items():
            sizes = ", ".join(f"{key}={value}" for key, value in options.items())
            print(f"  {preset}: {sizes}")


@app.command()
def show(name: Name = "fastnas", options: Options = None) -> None:
    """Print the decisions of a space and how many candidates it has."""
    space = _create(name, options)
    print(space.fingerprint)
    for decision in space.decisions:
        print(f"  {decision.name}: {', '.join(map(str, decision.options))}")
    print(f"{space.size:.3g} candidates")


@app.command()
def sample(
    name: Name = "fastnas",
    options: Options = None,
    count: Annotated[int, typer.Option(help="Number of genotypes.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Print random genotypes."""
    import random

    space = _create(name, options)
    rng = random.Random(seed)
    for _ in range(count):
        print(space.sample(rng))


def _create(name: str, options: list[str] | None) -> SearchSpace:
    import search_spaces

    try:
        return search_spaces.create(name, **assignments(options or ()))
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
