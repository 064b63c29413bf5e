"""Candidates per hour of our evaluator against the published FastNAS loop (`plain_fastnas`).

All sides evaluate the same genotypes from random weights on the same cached maps, with the same
epochs, batch size and losses, one after the other in one process; with ``--stages 2`` then end to
end, on the same augmented images. A candidate's time is its whole evaluation: building, training,
validation after each stage and, for ours, counting its costs; the maps of the encoder and the
teacher's logits are computed beforehand for all. The encoder has random weights and the teacher is
the masks themselves with noise, as neither changes the time of a candidate. Beside ours as it is:
without native kernels, in bfloat16, and with classifiers alone as auxiliary heads; and, in place of
each genotype, a random candidate of the default space, trained as a search does by default.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from plain_fastnas import PlainData, PlainDecoder, PlainNetworkTraining, PlainTraining, score
from torch import Tensor
from torch.nn import functional as F

import nas.tasks
import rewards
from nas.evaluation.costs import CostMeter
from nas.evaluation.evaluator import Evaluator
from nas.kinds.cache import cached_maps
from nas.kinds.segmentation.batches import SplitFeatures
from nas.kinds.segmentation.candidates import SegmentationCandidates
from nas.kinds.segmentation.objective import resize_masks
from nas.kinds.segmentation.preparation import PreparedEncoders, PreparedSegmentation
from nas.kinds.segmentation.settings import (
    SegmentationDistillationSettings,
    SegmentationEvaluationSettings,
)
from nas.models.encoder import Encoder, EncoderSettings
from nas.searching.assembly import make_space, of_kind
from nas.searching.config import ImageSearchConfig
from nas.searching.images import candidates_of
from nas.searching.reading import load_config
from nas.tasks import SegmentationTask
from nas.training.class_weights import class_weights
from nas.training.images import ImageBatches, Normaliser
from nas.training.seeding import seeded
from search_spaces.compact import Compact
from search_spaces.fastnas import FastNAS
from search_spaces.genotype import Genotype
from search_spaces.native import library

Evaluate = Callable[[Genotype], tuple[dict[str, float], float]]
"""Trains and scores a candidate; F1 by class, and the mean loss of the last epoch."""

PLAIN, OURS, NO_NATIVE = "plain FastNAS", "ours", "ours, no native kernels"
BFLOAT16, CLASSIFIERS = "ours, bfloat16", "ours, no auxiliary cells"
DEFAULTS = "ours, the default space"
LEFT_OUT = {
    "no-native": NO_NATIVE,
    "bfloat16": BFLOAT16,
    "classifiers": CLASSIFIERS,
    "default-space": DEFAULTS,
}


@dataclass(frozen=True)
class Run:
    """One evaluation of one genotype."""

    cpu: float
    wall: float
    f1: float
    loss: float


def main() -> None:
    """Runs the comparison and prints it."""
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    settings = make_settings(options.epochs, options.stages)
    task = nas.tasks.load_segmentation(
        "faces",
        size=options.size,
        train=options.images,
        validation=max(32, options.images // 6),
    )
    prepared = make_prepared(task, settings, options.seed)
    space = FastNAS()
    genotypes = sample(space, prepared.encoder, options.genotypes, options.seed)
    classifiers = FastNAS(auxiliary="classifier")
    ours = partial(make_ours, space, prepared, settings, options.seed)
    makers: dict[str, Callable[[], Evaluate]] = {
        PLAIN: partial(make_plain, space, prepared, settings, options.seed),
        OURS: ours,
        NO_NATIVE: lambda: without_native_kernels(ours()),
        BFLOAT16: partial(make_ours, space, prepared, in_bfloat16(settings), options.seed),
        CLASSIFIERS: partial(make_ours, classifiers, prepared, settings, options.seed),
        DEFAULTS: partial(make_default, task, settings, options.seed),
    }
    left_out = {LEFT_OUT[side] for side in options.without}
    sides = {side: make() for side, make in makers.items() if side not in left_out}
    # The first evaluation of a process pays for imports and for the memory of the allocator.
    for evaluate in sides.values():
        evaluate(genotypes[0])
    print(describe(options))
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for genotype in genotypes:
        for side, best in measure(sides, genotype, options.repeats).items():
            runs[side].append(best)
        print(genotype)
        for side in sides:
            print(line(side, runs[PLAIN][-1:], runs[side][-1:]))
    print(f"\nall {len(genotypes)} genotypes")
    for side in sides:
        print(line(side, runs[PLAIN], runs[side]))
    for side in list(sides)[1:]:
        print(summary(side, runs[PLAIN], runs[side]))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    stage = SegmentationEvaluationSettings().stage0
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--size", type=int, default=64, help="side of the images in pixels (default 64)")
    add("--images", type=int, default=600, help="training images (default 600)")
    add("--epochs", type=int, default=stage.epochs, help=f"default {stage.epochs}")
    add("--stages", type=int, choices=(1, 2), default=1, help="2 trains end to end as well")
    add("--genotypes", type=int, default=6, help="how many are sampled (default 6)")
    add("--without", action="append", choices=LEFT_OUT, default=[], help="leaves out a side")
    add("--repeats", type=int, default=1, help="evaluations of each; the fastest counts")
    add("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    add("--seed", type=int, default=0)
    return parser.parse_args()


def make_settings(epochs: int, stages: int = 1) -> SegmentationEvaluationSettings:
    """The default settings, but for the weights of the encoder and the published distillation."""
    defaults = SegmentationEvaluationSettings()
    return defaults.model_copy(
        update={
            "encoder": defaults.encoder.model_copy(update={"weights": "none"}),
            "distillation": SegmentationDistillationSettings(method="logit_mse"),
            "stage0": defaults.stage0.model_copy(update={"epochs": epochs}),
            "stage1": defaults.stage1.model_copy(update={"enabled": stages == 2}),
        }
    )


def in_bfloat16(settings: SegmentationEvaluationSettings) -> SegmentationEvaluationSettings:
    """The same in bfloat16, in both stages."""
    return settings.model_copy(
        update={
            name: getattr(settings, name).model_copy(update={"precision": "bfloat16"})
            for name in ("stage0", "stage1")
        }
    )


def make_prepared(
    task: SegmentationTask, settings: SegmentationEvaluationSettings, seed: int, device: str = "cpu"
) -> PreparedSegmentation:
    """Encoder and caches as a search has them, without training anything."""
    where = torch.device(device)
    with seeded(seed, "encoder"):
        encoder = Encoder(EncoderSettings(weights="none")).eval().to(where)
    train, validation = (
        make_features(task, name, encoder, where) for name in ("train", "validation")
    )
    return PreparedSegmentation(task, where, None, encoder, train, validation)


def make_features(
    task: SegmentationTask, split: str, encoder: Encoder, device: torch.device
) -> SplitFeatures:
    """The encoder's maps and the logits of a teacher that is right nearly everywhere."""
    data = task.dataset(split)
    normalise = Normaliser(task.mean, task.std)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.safetensors"
        maps = cached_maps(file, lambda x: encoder(normalise(x, device)), data.images)
    masks = resize_masks(data.targets, maps[0].shape[1:3]).long()
    certain = F.one_hot(masks.clamp(max=task.num_classes - 1), task.num_classes).float()
    with seeded(split):
        logits = 4 * certain + torch.randn(certain.shape)
    return SplitFeatures(
        tuple(one.to(device) for one in maps), data.targets.to(device), logits.to(device)
    )


def sample(space: FastNAS, encoder: Encoder, count: int, seed: int) -> list[Genotype]:
    """Random genotypes whose networks look at the image.

    A cell of `none` alone leaves our evaluator nothing to train and the published loop everything:
    such a genotype, about one in sixty, would be a flattering comparison.
    """
    rng = random.Random(seed)
    chosen: list[Genotype] = []
    while len(chosen) < count:
        genotype = space.sample(rng)
        decoder = space.build(
            genotype,
            encoder_channels=encoder.channels,
            encoder_strides=encoder.strides,
            num_classes=2,
        )
        if not decoder.plan.cell.is_zero:
            chosen.append(genotype)
    return chosen


def make_ours(
    space: FastNAS,
    prepared: PreparedSegmentation,
    settings: SegmentationEvaluationSettings,
    seed: int,
) -> Evaluate:
    """The evaluator of a search."""
    task = prepared.task
    candidates = SegmentationCandidates(
        space, prepared.encoder, task.num_classes, (1, *task.input_shape[1:])
    )
    evaluator = Evaluator(prepared, settings, CostMeter(candidates))

    def evaluate(genotype: Genotype) -> tuple[dict[str, float], float]:
        found = evaluator.evaluate(genotype, seed)
        return found.scores["f1"], list(found.curves.values())[-1][-1]

    return evaluate


def make_default(
    task: SegmentationTask, settings: SegmentationEvaluationSettings, seed: int
) -> Evaluate:
    """A random candidate of the default space for each genotype, with the default distillation."""
    config = of_kind(load_config(None, {}), ImageSearchConfig)
    space = make_space(config)
    assert isinstance(space, Compact)
    settings = settings.model_copy(update={"distillation": SegmentationDistillationSettings()})
    device = torch.device("cpu")
    behind = {}
    for name in space.encoders:
        with seeded(seed, "encoder"):
            whole = Encoder(EncoderSettings(name=name, weights="none"), space.encoder_strides)
        train, validation = (
            make_features(task, split, whole.eval(), device) for split in ("train", "validation")
        )
        for cut in (cut for cut in space.cuts if cut.name == name):
            maps = len(cut.strides)
            behind[cut] = PreparedSegmentation(
                *(task, device, None, whole.cut(cut.strides)),
                *(train.first(maps), validation.first(maps)),
            )
    prepared = PreparedEncoders(task, device, None, space, behind)
    candidates = candidates_of(config, space, task, prepared)
    evaluator = Evaluator(prepared, settings, CostMeter(candidates))

    def evaluate(genotype: Genotype) -> tuple[dict[str, float], float]:
        found = evaluator.evaluate(space.sample(random.Random(str(genotype))), seed)
        return found.scores["f1"], list(found.curves.values())[-1][-1]

    return evaluate


def make_plain(
    space: FastNAS,
    prepared: PreparedSegmentation,
    settings: SegmentationEvaluationSettings,
    seed: int,
) -> Evaluate:
    """The published loop."""
    task, stage = prepared.task, settings.stage0
    masks = task.dataset("train").targets
    weights = class_weights(
        settings.class_weights, masks, task.num_classes, task.ignore_index, prepared.device
    )
    data = plain_data(prepared, weights)
    training = PlainTraining(
        stage.epochs,
        min(stage.batch_size, len(data.masks)),
        stage.learning_rate,
        stage.clip or math.inf,
        stage.polyak or 0.0,
        settings.auxiliary_weight,
        settings.distillation.factor,
    )
    end_to_end = settings.stage1
    second = PlainNetworkTraining(
        end_to_end.epochs,
        end_to_end.encoder_learning_rate,
        end_to_end.decoder_learning_rate,
        end_to_end.clip or math.inf,
        end_to_end.polyak or 0.0,
        settings.auxiliary_weight,
    )
    images = task.dataset("train")
    normalise = Normaliser(task.mean, task.std)
    validation = normalise(task.dataset("validation").images, prepared.device).contiguous()
    batches = ImageBatches(
        images.images,
        images.targets,
        min(end_to_end.batch_size, len(images)),
        normalise,
        task.transform(end_to_end.augmentation),
        prepared.device,
        seed,
    )
    width = space.options["width"]

    def epoch(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in batches.epoch(number):
            assert isinstance(batch.inputs, Tensor)
            yield batch.inputs.contiguous(), batch.targets

    def evaluate(genotype: Genotype) -> tuple[dict[str, float], float]:
        with seeded(seed, "candidate") as generator:
            decoder = PlainDecoder(
                genotype.value, prepared.encoder.channels, task.num_classes, width
            ).to(prepared.device)
            loss = training.train(decoder, data, generator)
            f1 = score(decoder, data, lambda some: [maps[some] for maps in data.validation_maps])
            if end_to_end.enabled:
                encoder, loss = second.train(prepared.encoder, decoder, epoch, data)
                encoder.eval()
                f1 = score(decoder, data, lambda some: encoder(validation[some]))
            return f1, loss

    return evaluate


def plain_data(prepared: PreparedSegmentation, weights: Tensor | None) -> PlainData:
    """The caches of both splits as contiguous tensors, masks at the size of the finest map."""
    train, validation = prepared.train, prepared.validation
    assert train is not None and train.teacher is not None and validation is not None
    return PlainData(
        maps=tuple(map(channels_first, train.maps)),
        masks=resize_masks(train.masks, train.maps[0].shape[1:3]).long(),
        teacher=channels_first(train.teacher),
        validation_maps=tuple(map(channels_first, validation.maps)),
        validation_masks=validation.masks,
        classes=prepared.task.classes,
        ignore_index=prepared.task.ignore_index,
        class_weights=weights,
    )


def channels_first(maps: Tensor) -> Tensor:
    """N×h×w×C as a contiguous N×C×h×w."""
    return maps.permute(0, 3, 1, 2).contiguous()


def without_native_kernels(evaluate: Evaluate) -> Evaluate:
    """The same evaluation as on a machine without a C compiler."""

    def evaluate_without(genotype: Genotype) -> tuple[dict[str, float], float]:
        with native_kernels_off():
            return evaluate(genotype)

    return evaluate_without


@contextmanager
def native_kernels_off() -> Iterator[None]:
    """Switches the native kernels off inside the block."""
    before = os.environ.get("NAS_NATIVE")
    os.environ["NAS_NATIVE"] = "0"
    library.load.cache_clear()
    try:
        yield
    finally:
        if before is None:
            del os.environ["NAS_NATIVE"]
        else:
            os.environ["NAS_NATIVE"] = before
        library.load.cache_clear()


def measure(sides: dict[str, Evaluate], genotype: Genotype, repeats: int) -> dict[str, Run]:
    """The fastest run of each side; the sides take turns, so that noise meets all of them."""
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, evaluate in sides.items():
            cpu, wall = time.process_time(), time.perf_counter()
            scores, loss = evaluate(genotype)
            spent = time.process_time() - cpu, time.perf_counter() - wall
            runs[side].append(Run(*spent, rewards.macro(scores), loss))
    return {side: min(done, key=lambda run: run.cpu) for side, done in runs.items()}


def describe(options: argparse.Namespace) -> str:
    """One line about what is compared."""
    native = "available" if library.load() is not None else "NOT available"
    return (
        f"faces {options.size}x{options.size}, {options.images} images, {options.epochs} epochs, "
        f"{'both stages' if options.stages == 2 else 'stage 0'}, "
        f"{options.threads} thread(s), seed {options.seed}; native kernels {native}\n"
    )


def line(side: str, plain: list[Run], runs: list[Run]) -> str:
    """Times of a side over some genotypes, and how many times faster than the baseline it is."""
    cpu, wall = sum(run.cpu for run in runs), sum(run.wall for run in runs)
    f1 = sum(run.f1 for run in runs) / len(runs)
    loss = sum(run.loss for run in runs) / len(runs)
    return (
        f"  {side:<24} {cpu:8.2f} s CPU {wall:8.2f} s wall"
        f"  {3600 * len(runs) / wall:7.0f} per hour"
        f"  x{sum(run.cpu for run in plain) / cpu:5.2f} (wall x"
        f"{sum(run.wall for run in plain) / wall:5.2f})  macro F1 {f1:.3f}"
        f"  loss {loss:.3f}"
    )


def summary(side: str, plain: list[Run], runs: list[Run]) -> str:
    """The ratio of the CPU times in total, and its range over the genotypes."""
    ratios = [before.cpu / after.cpu for before, after in zip(plain, runs, strict=True)]
    total = sum(run.cpu for run in plain) / sum(run.cpu for run in runs)
    return (
        f"{side}: {total:.2f} times the candidates per hour of {PLAIN} "
        f"(per genotype {min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
