"""Tables of trainings without a search."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from nas.distillation import LossInfo
from nas.experiments.ensemble import EnsembleEvaluation
from nas.experiments.evaluation import RunEvaluation
from nas.experiments.pretraining import PretrainedEncoders
from nas.experiments.run import Summary, mean_and_spread

_NAMES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "mean per-class accuracy",
    "mean_iou": "mean IoU",
    "macro_f1": "mean F1",
    "acer": "ACER",
    "apcer": "APCER",
    "bpcer": "BPCER",
    "eer": "EER",
    "hter_at_threshold": "HTER at the EER threshold of validation",
    "tpr_at_fpr_1e2": "TPR at FPR 1e-2",
}
_VIEWS = {"none": "", "flip": ", flipped too", "ten_crop": ", ten crops"}


def figure_name(key: str) -> str:
    """What tables call a figure."""
    return _NAMES.get(key, key)


def summary_table(summary: Summary) -> Table:
    """The figures of the trainings of a run on the validation split."""
    table = _table("Validation", summary.seeds)
    if summary.teacher:
        for key, value in summary.teacher.items():
            table.add_row(f"teacher, {_NAMES[key]}", f"{value:.4f}")
        table.add_section()
    for key, values in summary.validation.items():
        table.add_row(_NAMES[key], *_cells(values))
    if len(summary.stages) > 1:
        table.add_section()
        figure = _NAMES[next(iter(summary.validation))]
        for name, values in summary.stages.items():
            table.add_row(f"{figure} after {name}", *_cells(values))
    return table


def pretraining_table(found: PretrainedEncoders) -> Table:
    """How much of the teacher's maps each encoder tells."""
    table = Table(title="Pretrained", title_justify="left")
    table.add_column("encoder")
    table.add_column("variance of the teacher's maps explained", justify="right")
    for name, share in found.explained.items():
        table.add_row(name, f"{share:.1%}")
    return table


def evaluation_table(evaluation: RunEvaluation) -> Table:
    """Figures of the networks of a run on a split."""
    table = _table(evaluation.split.capitalize(), evaluation.seeds)
    for row, figures in evaluation.figures.items():
        bounds = evaluation.intervals.get(row, {})
        for key, values in figures.items():
            name = _NAMES[key] + _VIEWS.get(row, f", {row}")
            table.add_row(name, *_cells(values))
            if key in bounds:
                cells = [f"{low:.4f} to {high:.4f}" for low, high in bounds[key]]
                table.add_row("  95 % interval", *([""] if len(cells) > 1 else []), *cells)
    return table


def ensemble_tables(ensemble: EnsembleEvaluation) -> list[Table]:
    """Figures of an ensemble and its members, and the weights of their logits."""
    weights = _table("Weights", ensemble.evaluation.seeds)
    for name, values in ensemble.weights.items():
        weights.add_row(name, *_cells(values))
    return [evaluation_table(ensemble.evaluation), weights]


def losses_table(losses: Sequence[LossInfo]) -> Table:
    """The losses towards a teacher, with their papers."""
    table = Table(title="Losses towards a teacher", title_justify="left", show_lines=True)
    table.add_column("method", no_wrap=True)
    table.add_column("what it compares, its options, and its paper", overflow="fold")
    for loss in losses:
        # Required arguments come from the networks.
        options = [str(option) for option in loss.options if not option.required]
        lines = [f"{' or '.join(loss.compares)}: {loss.summary}"]
        lines += [f"options: {', '.join(options)}"] if options else []
        lines += [f"weight: {_weight(loss)}"]
        table.add_row(loss.name, Text("\n".join([*lines, loss.paper, loss.link])))
    return table


def _weight(loss: LossInfo) -> str:
    on = {
        "logits": f"{loss.default_weight('logits'):.3g}",
        "features": f"{loss.default_weight('features'):.3g}"
        if loss.balance is None
        else f"measured, for a gradient {loss.balance:g} times as long as that of the labels",
    }
    return "; ".join(f"{on[what]} on {what}" for what in loss.compares)


def _table(title: str, seeds: Sequence[int]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    if len(seeds) > 1:
        table.add_column("mean ± sample std", justify="right")
    for seed in seeds:
        table.add_column(f"seed {seed}", justify="right")
    return table


def _cells(values: Sequence[float]) -> list[str]:
    cells = [f"{value:.4f}" for value in values]
    if len(values) == 1:
        return cells
    mean, spread = mean_and_spread(list(values))
    return [f"{mean:.4f} ± {spread:.4f}", *cells]
