r"""Small segmenters on CamVid: those that people designed, and ours, by one recipe on one split.

    python benchmarks/camvid.py --data CAMVID --weights MOBILENETV2 --work runs/camvid
    python benchmarks/camvid.py --data CAMVID --weights MOBILENETV2 --work runs/camvid-large \
        --size 360x480 --search-size 180x240 --seeds 1

Hand-made networks are those of `hand_made`, and a plain decoder on an encoder that ours have, cut
at two strides and with the same ImageNet weights. Ours are found by one search for each limit on
the parameters, which also decides how much of the encoder they have, and its best candidate is
retrained; its encoders are fine-tuned before it, and it may have smaller images. Everything is
trained with the same settings and seeds, the best epoch is chosen on the validation split, and the
test split is read once, for the table. What is trained already is not trained again, so the script
can be stopped and started, and finished rows are kept in a file, so that another machine can train
the others: `--only` chooses rows, and `--rows` repeated puts files together. Latency is that of the
ONNX files on one thread, of all rows on the machine that prints the table. It takes hours on two
cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table
from torch import nn

import latency
import nas
from nas.cli.values import image_size
from nas.errors import UserError
from nas.experiments.run import mean_and_spread
from nas.files import read_json, write_json
from nas.kinds.network_file import describe
from nas.models.network_settings import NetworkSettings
from nas.models.segmenters import SearchedSegmenterSettings, SegmenterSettings
from nas.pareto.figures import save
from nas.settings import validate

HERE = Path(__file__).resolve().parent
HAND_MADE = f"{HERE / 'hand_made.py'}:"
TASK = HERE.parent / "docs" / "tasks" / "camvid.yaml"
CLASSES = 11
BACKBONE = "mobilenetv2_100@4"
CUTS = ["mobilenetv2_100@4.1", "mobilenetv2_100@4.2", BACKBONE]
LIMITS = {"100 K": 100_000, "300 K": 300_000, "500 K": 500_000}
# After three epochs on an encoder as ImageNet left it, a search does not see what a deeper encoder
# is worth, and picks shallow ones (docs/results.md, "Pyramids on ImageNet weights").
SEARCH = {
    "evaluation.encoder.fine_tuning_epochs": 8,
    "evaluation.stage0.epochs": 24,
    "evaluation.train_images": 150,
}


@dataclass(frozen=True)
class Row:
    """One network of the table.

    Attributes:
        name: Of the network.
        network: Settings that build it; a hand-made one is named by its file in this folder.
        validation: mIoU of each seed on the validation split.
        test: mIoU of each seed on the test split.
        own_size: The same against the masks as they are stored.
    """

    name: str
    network: dict[str, Any]
    validation: list[float]
    test: list[float]
    own_size: list[float]

    @property
    def ours(self) -> bool:
        """Whether a search has found it."""
        return "genotype" in self.network

    def build(self, shape: tuple[int, int, int, int]) -> nn.Module:
        """The network with random weights, for images N x channels x height x width."""
        settings: NetworkSettings
        if self.ours:
            settings = validate(SearchedSegmenterSettings, self.network, self.name)
        else:
            name = self.network["name"]
            place = {"name": f"{HERE}/{name}"} if ":" in name else {}
            settings = validate(SegmenterSettings, self.network | place, self.name)
        return settings.build(CLASSES, shape[2:], shape[1]).eval()


class Rows:
    """Finished rows in files, all of the same recipe.

    Args:
        path: The file that is written; it need not exist.
        others: Files of rows that were trained elsewhere, or at the same time.
        recipe: What the rows have in common.

    Raises:
        UserError: If a file holds rows of another recipe.
    """

    def __init__(self, path: Path, others: Sequence[Path], recipe: dict[str, Any]):
        self._path, self._recipe = path, recipe
        self.known: dict[str, Row] = {}
        for file in [*others, *([path] if path.exists() else [])]:
            known = read_json(file)
            if known["recipe"] != recipe:
                raise UserError(
                    f"{file}: its rows were trained with {known['recipe']}, not {recipe}."
                )
            self.known |= {name: Row(name, **row) for name, row in known["rows"].items()}

    def add(self, row: Row) -> None:
        """Keeps a row."""
        self.known[row.name] = row
        rows = {name: asdict(row) for name, row in self.known.items()}
        for one in rows.values():
            del one["name"]
        write_json(self._path, {"recipe": self._recipe, "rows": rows})


class Comparison:
    """Trains and scores networks, one after the other.

    Args:
        options: Of the command line.

    Raises:
        UserError: If the file of finished rows is of another recipe.
    """

    def __init__(self, options: argparse.Namespace):
        self.options = options
        size = image_size(options.size, "--size")
        searched = image_size(options.search_size or options.size, "--search-size")
        self.shape = (1, 3, *size)
        self.size, self.search_size = (
            {"task_options.input_size": [*one]} for one in (size, searched)
        )
        self.data = {"data": str(options.data)}
        self.recipe = {"batch_size": options.batch_size, "learning_rate": options.rate}
        pretrained = {
            "model.weights": str(options.weights),
            "model.options": {"pad_type": "same"},
            "training.encoder_learning_rate": options.encoder_rate,
        }
        # A network that starts from random weights has nothing to preserve.
        fresh = {"training.encoder_learning_rate": options.rate}
        arch0 = {
            "model.options": {"weights": str(options.weights)},
            "training.encoder_learning_rate": options.encoder_rate,
        }
        self.networks: dict[str, Callable[[str], Row]] = {
            "ENet": partial(self.designed, f"{HAND_MADE}enet", fresh),
            "LR-ASPP": partial(self.designed, f"{HAND_MADE}lraspp_small", fresh),
            "LR-ASPP at half width": partial(self.designed, f"{HAND_MADE}lraspp_tiny", fresh),
            "FastNAS arch0": partial(self.designed, f"{HAND_MADE}arch0", arch0),
            "plain decoder to stride 16": partial(
                self.designed, BACKBONE, {**pretrained, "model.strides": [4, 8, 16]}
            ),
            "plain decoder to stride 8": partial(
                self.designed, BACKBONE, {**pretrained, "model.strides": [4, 8]}
            ),
            **{
                f"ours, at most {label}": partial(self.searched, limit)
                for label, limit in LIMITS.items()
            },
        }
        self.rows = Rows(
            options.rows[0] if options.rows else options.work / "rows.json",
            options.rows[1:],
            {
                "size": options.size,
                "seeds": options.seeds,
                "epochs": options.epochs,
                "encoder_learning_rate": options.encoder_rate,
                "trials": options.trials,
                "finalists": options.finalists,
                "search": SEARCH,
                "teacher": options.teacher is not None,
                **({} if searched == size else {"search_size": options.search_size}),
                **self.recipe,
            },
        )

    def missing(self) -> Iterator[str]:
        """Trains the rows that are asked for and not known, and yields the names of them."""
        for name, make in self.networks.items():
            wanted = not self.options.only or name in self.options.only
            if wanted and name not in self.rows.known:
                self.rows.add(make(name))
                yield name

    def finished(self) -> list[Row]:
        """The known rows, in the order of the table."""
        return [self.rows.known[name] for name in self.networks if name in self.rows.known]

    def folder(self, name: str) -> Path:
        """Where a network is kept."""
        plain = name.lower().replace(",", "").replace(" ", "-")
        return Path(self.options.work / plain)

    def designed(self, model: str, settings: dict[str, Any], name: str) -> Row:
        """A network that people designed."""
        training = {"epochs": self.options.epochs, **self.recipe}
        run = nas.train(
            TASK,
            model,
            run=self.folder(name),
            seeds=self.options.seeds,
            device=self.options.device,
            config={
                **self.data,
                **self.size,
                **settings,
                **{f"training.{key}": value for key, value in training.items()},
            },
        )
        places = [run.path / f"seed-{seed}" for seed in range(self.options.seeds)]
        return self.scored(name, places)

    def searched(self, limit: int, name: str) -> Row:
        """The best candidate of a search with a limit on the parameters."""
        folder = self.folder(name)
        begun = (folder / "run.json").exists()
        run = nas.search(
            None if begun else TASK,
            run=folder,
            space=None if begun else "small",
            limits=None if begun else {"params": limit},
            trials=self.options.trials,
            finalists=self.options.finalists,
            workers=self.options.workers,
            device=self.options.device,
            resume=begun,
            teacher=None if begun else self.options.teacher or False,
            config={}
            if begun
            else {
                **self.data,
                **self.search_size,
                **SEARCH,
                "cache": str(self.options.work / "cache"),
                "evaluation.encoder.weights": str(self.options.weights),
                "evaluation.encoder.options": {"pad_type": "same"},
                "space.options.encoders": CUTS,
                "space.options.strides": [8, 16],
            },
        )
        places = [folder / "retrain" / f"seed-{seed}" for seed in range(self.options.seeds)]
        for seed, place in enumerate(places):
            run.retrain(
                "best",
                epochs=self.options.epochs,
                seed=seed,
                out=place,
                device=self.options.device,
                config={
                    "encoder_learning_rate": self.options.encoder_rate,
                    **self.recipe,
                    **(self.size if self.size != self.search_size else {}),
                },
            )
        return self.scored(name, places)

    def scored(self, name: str, places: list[Path]) -> Row:
        """A row of trained networks, one for each seed."""
        test = [nas.evaluate(place, "test").figures for place in places]
        return Row(
            name=name,
            network=portable(describe(places[0]).network.model_dump(mode="json")),
            validation=[nas.evaluate(place).figures["none"]["mean_iou"][0] for place in places],
            test=[one["none"]["mean_iou"][0] for one in test],
            # Where images are trained at the size of the files, both are one.
            own_size=[one.get("own size", one["none"])["mean_iou"][0] for one in test],
        )


def portable(network: dict[str, Any]) -> dict[str, Any]:
    """Settings of a network without weights and the folder of this file, for another machine."""
    if "genotype" in network:
        return {**network, "encoder": portable(network["encoder"])}
    options = {key: value for key, value in network["options"].items() if key != "weights"}
    name = network["name"].removeprefix(f"{HERE}/")
    return {**network, "name": name, "weights": "none", "options": options}


def main() -> None:
    """Prints the table, and draws mIoU against parameters and against milliseconds."""
    options = parse_arguments()
    try:
        comparison = Comparison(options)
    except UserError as error:
        raise SystemExit(str(error)) from error
    console = Console()
    for name in comparison.missing():
        console.print(f"trained {name}")
    rows = comparison.finished()
    networks = [row.build(comparison.shape) for row in rows]
    counts = [latency.count(network, comparison.shape) for network in networks]
    ms = [latency.measure(network, comparison.shape).median_ms for network in networks]
    table = Table(box=None, title=f"CamVid at {options.size}, mIoU in %, seeds: {options.seeds}")
    for column in ("network", "parameters", "MACs", "ms", "validation", "test", "test, own size"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for row, count, median in zip(rows, counts, ms, strict=True):
        scores = (row.validation, row.test, row.own_size)
        table.add_row(
            row.name,
            f"{count.parameters / 1e3:.0f} K",
            f"{count.macs / 1e6:.0f} M",
            f"{median:.2f}",
            *(f"{100 * mean:.1f} ± {100 * spread:.1f}" for mean, spread in map(both, scores)),
        )
    console.print(table)
    for axis, values, label in (
        ("params", [count.parameters for count in counts], "parameters"),
        ("ms", ms, "milliseconds, one thread"),
    ):
        console.print(f"wrote {draw(rows, values, label, options.work / f'camvid-{axis}')}")


def both(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation, which is 0 for one value."""
    mean, spread = mean_and_spread(values)
    return mean, spread or 0.0


def draw(rows: list[Row], values: Sequence[float], label: str, stem: Path) -> Path:
    """A picture of test mIoU against a cost, with the spread of the seeds."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for ours, colour in ((True, "C3"), (False, "C0")):
        for row, value in zip(rows, values, strict=True):
            if row.ours == ours:
                mean, spread = both(row.test)
                axes.errorbar(value, 100 * mean, 100 * spread, fmt="o", color=colour, capsize=3)
                axes.annotate(
                    row.name, (value, 100 * mean), (5, 4), textcoords="offset points", fontsize=7
                )
    axes.margins(x=0.2)
    axes.set(xscale="log", xlabel=label, ylabel="mIoU on test, %")
    (path,) = save(figure, stem, ("png",))
    return path


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of CamVid, see docs/tasks/camvid.yaml")
    add("--weights", type=Path, required=True, help="ImageNet weights of mobilenetv2_100")
    add("--work", type=Path, required=True, help="folder for everything that is trained")
    rows = "file of finished rows (default rows.json in --work); further ones are read only"
    add("--rows", type=Path, action="append", default=[], help=rows)
    add("--size", default="180x240", help="height x width of the images (default 180x240)")
    add("--search-size", help="height x width of the images of searches (default: as --size)")
    add("--seeds", type=int, default=4)
    add("--epochs", type=int, default=100, help="of every full training (default 100)")
    add("--trials", type=int, default=32, help="candidates of each search (default 32)")
    add("--finalists", type=int, default=4, help="of each search (default 4)")
    add("--workers", type=int, default=1, help="of each search (default 1)")
    add("--teacher", type=Path, help="run of nas train that searched networks learn from")
    add("--batch-size", type=int, default=8)
    add("--rate", type=float, default=3e-3, help="learning rate (default 3e-3)")
    add("--encoder-rate", type=float, default=1e-3, help="of pre-trained weights (default 1e-3)")
    add("--device", default="auto")
    add("--only", action="append", default=[], help="row to train; repeat for several")
    return parser.parse_args()


if __name__ == "__main__":
    main()
