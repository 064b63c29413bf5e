"""Latencies that were predicted against latencies that were measured.

A device is calibrated for a search space: its operators are timed and a few networks measured. Then
other networks are predicted and measured: some of the whole range, and some whose MACs are within a
tenth of one another. A line through the MACs of the calibration networks is the baseline.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import latency
import search_spaces
from latency.engines import create_engine
from latency.predicting.calibration import Prediction
from nas.evaluation.latency.calibration import NETWORKS, Calibrated, calibrate
from nas.kinds.candidates import Candidates
from nas.kinds.classification.candidates import ClassifierCandidates
from nas.kinds.segmentation.candidates import SegmentationCandidates
from nas.models.encoder import EncoderSettings, untrained_encoder
from search_spaces.genotype import Genotype
from search_spaces.space import ClassifierSpace, DecoderSpace

GROUPS = ("whole range", "equal MACs")
EQUAL = 0.1
"""By how much MACs within the second group may differ from their middle."""


@dataclass
class Network:
    """A network that was predicted and measured.

    Attributes:
        group: Which of the groups it belongs to.
        genotype: What it is.
        macs: Its multiply-accumulates.
        prediction: Of its latency.
        prediction_seconds: What that took, from the built network on.
        measured_ms: One latency for each round.
        measurement_seconds: What the first measurement took, with the export.
        noisy: Whether the machine was busy then.
    """

    group: str
    genotype: str
    macs: int
    prediction: Prediction
    prediction_seconds: float
    measured_ms: list[float] = field(default_factory=list)
    measurement_seconds: float = 0.0
    noisy: bool = False

    @property
    def ms(self) -> float:
        """The latency, the median over the rounds."""
        return statistics.median(self.measured_ms)


def main() -> None:
    """Calibrates, predicts, measures and prints."""
    options = parse_arguments()
    candidates = make_candidates(options)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        calibrated = calibrate(
            candidates,
            options.device,
            options.engine,
            options.threads,
            options.calibration,
            options.seed,
            Path(folder, "predictor.json"),
        )
        seconds = time.perf_counter() - start
        print(f"{calibrated.predictor.device.key}\n{candidates.family}\n")
        print(describe(calibrated, candidates, seconds))
        chosen = sampled(candidates, options)
        networks = [predicted(candidates, calibrated, *pair) for pair in chosen]
        baseline = macs_line(candidates, calibrated)
        measure(networks, candidates, calibrated, options, Path(folder))
    print()
    for group in options.groups:
        print(summary(group, [one for one in networks if one.group == group], baseline))
    print(f"\n{costs(networks)}")
    if options.out:
        record = [asdict(one) for one in networks]
        options.out.write_text(json.dumps(record, indent=1))


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--networks", type=int, default=60, help="in each group")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=GROUPS)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of every network")
    parser.add_argument("--out", type=Path, help="JSON file for the figures of every network")
    return parser.parse_args()


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which networks run where, and how that is calibrated."""
    parser.add_argument("--space", default="fastnas")
    parser.add_argument("--encoder", default="mobilenetv2_100", help="of a space of decoders")
    parser.add_argument("--classes", type=int, default=11)
    parser.add_argument("--size", type=int, default=128, help="height and width of the image")
    parser.add_argument(
        "--calibration", type=int, default=NETWORKS, help="networks measured to calibrate"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)


def make_candidates(options: argparse.Namespace) -> Candidates:
    """The networks of the space."""
    shape = (1, 3, options.size, options.size)
    space = search_spaces.create(options.space)
    if isinstance(space, ClassifierSpace):
        return ClassifierCandidates(space, options.classes, shape)
    assert isinstance(space, DecoderSpace)
    encoder = untrained_encoder(EncoderSettings(name=options.encoder), space.encoder_strides)
    return SegmentationCandidates(space, encoder, options.classes, shape)


def sampled(candidates: Candidates, options: argparse.Namespace) -> list[tuple[str, Genotype]]:
    """Networks of the whole range, and networks of nearly the same MACs."""
    rng = random.Random(f"test {options.seed}")
    whole: list[Genotype] = []
    while len(whole) < options.networks:
        genotype = candidates.sample(rng)
        # In about one decoder of sixty no path leads from the image to the logits.
        if macs_of(candidates, genotype):
            whole.append(genotype)
    middle = statistics.median(macs_of(candidates, genotype) for genotype in whole)
    equal: list[Genotype] = []
    while len(equal) < options.networks:
        genotype = candidates.sample(rng)
        if abs(macs_of(candidates, genotype) / middle - 1) <= EQUAL:
            equal.append(genotype)
    groups = dict(zip(GROUPS, (whole, equal), strict=True))
    return [(group, one) for group in options.groups for one in groups[group]]


def macs_of(candidates: Candidates, genotype: Genotype) -> int:
    """Multiply-accumulates of a candidate."""
    return sum(operator.macs for operator in candidates.operators(genotype))


def predicted(
    candidates: Candidates, calibrated: Calibrated, group: str, genotype: Genotype
) -> Network:
    """A network with its prediction."""
    predictor = calibrated.predictor
    start = time.thread_time()
    operators = candidates.operators(genotype)
    prediction = predictor.predict(candidates.family, operators)
    seconds = time.thread_time() - start
    macs = sum(operator.macs for operator in operators)
    return Network(group, str(genotype), macs, prediction, seconds)


def macs_line(candidates: Candidates, calibrated: Calibrated) -> np.ndarray:
    """Offset and slope of a line from MACs to the latency of the calibration networks."""
    table = calibrated.predictor.table
    known = calibrated.predictor.families[candidates.family]
    macs = [sum(n * table[key].macs for key, n in one.operators.items()) for one in known]
    measured = np.array([one.ms for one in known])
    rows = np.column_stack([np.ones(len(macs)), macs])
    line: np.ndarray = np.linalg.lstsq(rows / measured[:, None], np.ones(len(macs)), rcond=None)[0]
    return line


def measure(
    networks: Sequence[Network],
    candidates: Candidates,
    calibrated: Calibrated,
    options: argparse.Namespace,
    folder: Path,
) -> None:
    """Measures every network in every round, in an order of its own."""
    order = list(range(len(networks)))
    reference_ms = calibrated.predictor.reference_ms
    for number in range(options.rounds):
        random.Random(number).shuffle(order)
        for index in order:
            one = networks[index]
            start = time.thread_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", latency.NoiseWarning)
                file = folder / f"{index}.onnx"
                figure = measured(one, candidates, options, reference_ms, file)
            one.measured_ms.append(figure.normalised_ms)
            if number == 0:
                one.measurement_seconds = time.thread_time() - start
                one.noisy = figure.noisy


def measured(
    one: Network,
    candidates: Candidates,
    options: argparse.Namespace,
    reference_ms: float | None,
    file: Path,
) -> latency.Latency:
    """Measures a network; its ONNX file is kept, where the engine takes one."""
    if not file.exists():
        network = candidates.network(candidates.space.parse(one.genotype))
        if not create_engine(options.engine).takes_onnx:
            return latency.measure(
                network,
                candidates.input_shape,
                options.device,
                threads=options.threads,
                engine=options.engine,
                reference_ms=reference_ms,
            )
        latency.export_onnx(network, candidates.input_shape, file)
    return latency.measure_onnx(
        file,
        options.device,
        threads=options.threads,
        engine=options.engine,
        reference_ms=reference_ms,
    )


def describe(calibrated: Calibrated, candidates: Candidates, seconds: float) -> str:
    """What the calibration found."""
    overhead, slope, node = calibrated.predictor.calibration(candidates.family).coefficients()
    return (
        f"calibration: {calibrated.operators} operators and {calibrated.networks} networks in "
        f"{seconds:.0f} s, {calibrated.noisy} of them on a busy machine\n"
        f"latency = {overhead:.3f} ms + {slope:.3f} x operators {node * 1000:+.1f} us x nodes, "
        f"error {calibrated.error:.1%}"
    )


def summary(group: str, networks: Sequence[Network], baseline: np.ndarray) -> str:
    """How well the latencies of a group were predicted."""
    measured = np.array([one.ms for one in networks])
    ours = np.array([one.prediction.ms for one in networks])
    by_macs = baseline[0] + baseline[1] * np.array([one.macs for one in networks])
    inside = [one.prediction.low_ms <= one.ms <= one.prediction.high_ms for one in networks]
    wide = [(one.prediction.high_ms - one.prediction.low_ms) / 2 / one.ms for one in networks]
    spread = f"{measured.min():.2f} to {measured.max():.2f} ms"
    lines = [f"{group}: {len(networks)} networks, {spread}, repeats {repeatability(networks):.1%}"]
    for name, figures in (("predicted", ours), ("MACs alone", by_macs)):
        errors = np.abs(figures / measured - 1)
        lines.append(
            f"  {name:10}  Spearman {spearmanr(figures, measured).statistic:.3f}  "
            f"MAPE {errors.mean():.1%}  median {np.median(errors):.1%}  largest {errors.max():.1%}"
        )
    if len(networks[0].measured_ms) > 1:
        lines.append(f"  measured against measured: Spearman {ceiling(networks):.3f}")
    lines.append(
        f"  {np.mean(inside):.0%} within their interval of 90 %, ±{np.median(wide):.1%} wide"
    )
    return "\n".join(lines)


def repeatability(networks: Sequence[Network]) -> float:
    """Median deviation of one measurement from the median of its network's."""
    deviations = [abs(ms / one.ms - 1) for one in networks for ms in one.measured_ms]
    return statistics.median(deviations)


def ceiling(networks: Sequence[Network]) -> float:
    """Spearman of the medians over every other round: better cannot be predicted or be shown."""
    halves = [
        [statistics.median(one.measured_ms[first::2]) for one in networks] for first in (0, 1)
    ]
    return float(spearmanr(*halves).statistic)


def costs(networks: Sequence[Network]) -> str:
    """What a prediction and a measurement take."""
    prediction = statistics.median(one.prediction_seconds for one in networks)
    lines = [
        f"processor time for each network: predicted {prediction * 1000:.0f} ms with building it"
    ]
    for state, noisy in (("quiet", False), ("busy", True)):
        seconds = [one.measurement_seconds for one in networks if one.noisy is noisy]
        if seconds:
            median = statistics.median(seconds)
            lines.append(
                f"measured {median:.2f} s with building and export where the machine was {state} "
                f"({len(seconds)} networks)"
            )
    return ", ".join(lines)


if __name__ == "__main__":
    main()
