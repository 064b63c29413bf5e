"""``nas predict``."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from nas.errors import UserError
from nas.terminal import say


def predict(
    network: Annotated[
        Path,
        typer.Argument(
            help="Network of nas retrain, train or distill; of a search its best retrained one."
        ),
    ],
    images: Annotated[list[str], typer.Argument(help="Images, folders, or patterns.")],
    out: Annotated[Path, typer.Option("--out", "--output", help="Folder for what is predicted.")],
    centre_crop: Annotated[
        float, typer.Option(help="Share of an image's short side that a classifier sees.")
    ] = 0.875,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
) -> None:
    """Predict masks and overlays, or classes with their probabilities, of new images.

    Masks have the size of their images; classes.csv tells the class of each value.
    """
    from nas.deployment.prediction import Predictor, images_named, write_predictions

    predictor = Predictor(network, device, centre_crop)
    files = images_named(images, predictor.suffixes)
    say(f"{predictor.path}: {len(predictor.description.classes)} classes, {len(files)} images.")
    treated: defaultdict[str, list[Path]] = defaultdict(list)
    for file in files:
        for clause in predictor.treatment(file):
            treated[clause].append(file)
    for clause, some in treated.items():
        others = f" and {len(some) - 1} more" if len(some) > 1 else ""
        say(f"{some[0]}{others}: {clause}.")
    wrong = list(write_predictions(predictor, files, out))
    for sentence in wrong:
        say(sentence)
    say(out)
    if wrong:
        raise UserError(f"{len(wrong)} of {len(files)} images could not be read; the rest is done.")
