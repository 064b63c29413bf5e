r"""Which settings of a short training tell candidates apart best, and in how much time?

A search ranks candidates by a short training. This trains the same random candidates with several
settings of it, over several seeds, and in full as `nas retrain` does, and compares: the mean
quality on the validation split, Spearman's rank correlation with the full training, and processor
time. What is trained is kept, so the script can be stopped and started.

    python scripts/proxy_table.py --config scripts/demo.yaml --work runs/proxies \
        --variant default --variant "alone: distillation.enabled=false" \
        --variant "two stages: stage1.enabled=true"
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from nas.cli.values import assignments
from nas.deployment.scores import scores_of
from nas.errors import UserError
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluator import Evaluator
from nas.experiments.run import mean_and_spread
from nas.files import write_json
from nas.report.agreement import agreement
from nas.report.progress import EpochProgress
from nas.retraining.options import training_of
from nas.searching.assembly import make_space
from nas.searching.config import ImageSearchConfig
from nas.searching.full_trainer import FullTrainer
from nas.searching.full_training import FullTraining
from nas.searching.images import candidates_of, load_task, reward_on
from nas.searching.reading import load_config
from nas.training.device import resolve_device
from nas.training.seeding import derive
from search_spaces.genotype import Genotype

FULL = "full training"


@dataclass(frozen=True)
class Variant:
    """A name, and the settings of the evaluation or the space that differ, by dotted key."""

    name: str
    changes: dict[str, Any]

    @classmethod
    def read(cls, text: str) -> Variant:
        """Reads ``NAME: KEY=VALUE; KEY=VALUE``."""
        name, _, settings = text.partition(":")
        return cls(name.strip(), assignments(one for one in settings.split(";") if one.strip()))


def main() -> None:
    """Trains what is missing, and prints the table."""
    options = _options()
    torch.set_num_threads(1)
    study = _Study(options)
    full = [study.full(genotype, seed) for seed in range(options.full_seeds) for genotype in study]
    variants = {
        one.name: [
            [study.short(genotype, one, seed) for genotype in study]
            for seed in range(options.seeds)
        ]
        for one in options.variant
    }
    count = len(study.genotypes)
    Console(width=160).print(
        _table(variants, [full[start : start + count] for start in range(0, len(full), count)])
    )


Found = dict[str, float]
"""quality on validation, seconds of processor time; of a full training also test."""


class _Study:
    """Trains candidates, and remembers what came out in a file."""

    def __init__(self, options: argparse.Namespace):
        config = _searched(options, {})
        self._config, self._options = config, options
        self._ready: tuple[ImageSearchConfig, Any] | None = None
        self._path = options.work / "found.json"
        self._known: dict[str, Found] = {}
        if self._path.is_file():
            self._known = json.loads(self._path.read_text(encoding="utf-8"))
        self._device = resolve_device(config.device)
        self._task, self._space = load_task(config), make_space(config)
        self._reward = reward_on(self._task, config)
        generator = random.Random(options.draw)
        # Equal networks would be equally good.
        drawn: dict[object, Genotype] = {}
        while len(drawn) < options.candidates:
            genotype = self._space.sample(generator)
            drawn.setdefault(self._space.canonical_key(genotype), genotype)
        self.genotypes = list(drawn.values())

    def __iter__(self) -> Any:
        return iter(self.genotypes)

    def short(self, genotype: Genotype, variant: Variant, seed: int) -> Found:
        """The training of a search with the settings of a variant."""
        config = self._with(variant.changes)
        key = f"{derive(config.model_dump_json())} {seed} {genotype}"
        if key not in self._known:
            prepared = self._prepared(config)
            meter = CostMeter(candidates_of(config, make_space(config), self._task, prepared))
            evaluator = Evaluator(prepared, config.evaluation, meter, config.reward.metric)
            start = time.process_time()
            scores = evaluator.evaluate(genotype, seed).scores
            seconds = time.process_time() - start
            self._keep(key, {"quality": self._reward.quality(scores), "seconds": seconds})
            print(f"{variant.name}, seed {seed}: {self._known[key]}", flush=True)
        return self._known[key]

    def full(self, genotype: Genotype, seed: int) -> Found:
        """The full training, as of ``nas retrain``."""
        config = self._config
        changes = assignments(self._options.full_set)
        how = FullTraining(
            training_of(config, {"epochs": self._options.full_epochs, **changes}),
            distill=config.has_teacher,
            seed=seed,
        )
        settings = json.dumps(how.settings(), sort_keys=True)
        key = f"{derive(config.model_dump_json(), settings)} {genotype}"
        if key not in self._known:
            prepared = self._prepared(config)
            trainer = FullTrainer(config, how, config.evaluation, self._task, self._space, prepared)
            start = time.process_time()
            folder = self._options.work / "full"
            with EpochProgress() as progress:
                trained = trainer.train(
                    genotype,
                    folder,
                    lambda stage, record, epochs: progress.show(FULL, record, epochs),
                )
            seconds = time.process_time() - start
            scores = scores_of(trained.network, self._task, self._device, self._reward)
            found = {"quality": scores["validation"]["quality"], "test": scores["test"]["quality"]}
            self._keep(key, {**found, "seconds": seconds})
            trainer.forget(folder)
        return self._known[key]

    def _with(self, changes: dict[str, Any]) -> ImageSearchConfig:
        placed = {
            key if key.startswith("space.") else f"evaluation.{key}": value
            for key, value in changes.items()
        }
        return _searched(self._options, placed)

    def _prepared(self, config: ImageSearchConfig) -> Any:
        """What candidates share; the last one is kept, as a variant is trained in one go."""
        if self._ready is None or self._ready[0] != config:
            # Before the next one is loaded, which is as large.
            self._ready = None
            with EpochProgress() as progress:
                prepared = config.kind.prepare(
                    self._task,
                    config.evaluation,
                    self._space,
                    self._options.work / "cache",
                    self._device,
                    config.seed,
                    progress.show,
                )
            self._ready = config, prepared
        return self._ready[1]

    def _keep(self, key: str, found: Found) -> None:
        self._known[key] = found
        write_json(self._path, self._known)


def _searched(options: argparse.Namespace, changes: dict[str, Any]) -> ImageSearchConfig:
    config = load_config(options.config, assignments(options.set) | changes)
    if not isinstance(config, ImageSearchConfig):
        raise UserError(f"{options.config}: it searches a table, where nothing is trained.")
    return config


def _table(variants: dict[str, list[list[Found]]], full: list[list[Found]]) -> Table:
    judged = [statistics.fmean(one["quality"] for one in each) for each in zip(*full, strict=True)]
    table = Table(
        title=f"{len(judged)} candidates; mean quality ± sample standard deviation over seeds; "
        "correlation of the mean over seeds with 95 % interval, and of each seed",
        title_justify="left",
    )
    for column in ("", "quality", "Spearman", "of one seed", "seconds of CPU", "of the full"):
        table.add_column(column)
    whole = statistics.median(one["seconds"] for seed in full for one in seed)
    rows = {**variants, FULL: full}
    for name, seeds in rows.items():
        mean, spread = mean_and_spread([statistics.fmean(_qualities(seed)) for seed in seeds])
        means = [statistics.fmean(values) for values in zip(*map(_qualities, seeds), strict=True)]
        took = statistics.median(one["seconds"] for seed in seeds for one in seed)
        # Of the full training, one seed against the next.
        against = [judged] * len(seeds) if name != FULL else [_qualities(one) for one in seeds[1:]]
        each = [
            found.spearman.value
            for seed, judge in zip(seeds, against, strict=False)
            if (found := agreement(_qualities(seed), judge))
        ]
        pooled = agreement(means, judged) if name != FULL else None
        table.add_row(
            name,
            f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}",
            str(pooled.spearman) if pooled else "",
            f"{statistics.fmean(each):.2f}" if each else "",
            f"{took:.1f}",
            f"{took / whole:.1%}",
        )
    return table


def _qualities(found: list[Found]) -> list[float]:
    return [one["quality"] for one in found]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--config", type=Path, help="YAML file of a search")
    add("--set", action="append", default=[], help="KEY=VALUE of the search")
    add(
        "--variant",
        action="append",
        type=Variant.read,
        required=True,
        help="NAME: KEY=VALUE; KEY=VALUE of the evaluation, or space.options.KEY; repeat it",
    )
    add("--candidates", type=int, default=12)
    add("--seeds", type=int, default=4, help="short trainings of each candidate")
    add("--draw", type=int, default=0, help="seed of the candidates")
    add("--full-epochs", type=int, default=40, help="of the full training")
    add("--full-seeds", type=int, default=1, help="full trainings of each candidate")
    add("--full-set", action="append", default=[], help="KEY=VALUE of the full training")
    add("--work", type=Path, required=True, help="folder of the cache and what was found")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
