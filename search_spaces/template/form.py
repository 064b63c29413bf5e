"""The forms of a genotype: nested lists, and choices by decision name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from search_spaces.cells.reading import read_choices, read_json, read_parts
from search_spaces.decision import Decision
from search_spaces.genotype import GenotypeError
from search_spaces.positions import renumbered
from search_spaces.template.sizes import Sizes
from search_spaces.template.vocabulary import AGGREGATIONS, OPERATIONS


class TemplateForm(NamedTuple):
    """Two operations and what joins their outputs, by number."""

    first: int
    second: int
    aggregation: int


class LayerForm(NamedTuple):
    """Where a template is applied, and how.

    Attributes:
        first: Position of the input of the first operation.
        second: Position of the input of the second operation.
        template: Number of the template.
        further_repeats: How often the template is applied after the first time.
        halvings: 1 if its operations have stride 2, else 0.
    """

    first: int
    second: int
    template: int
    further_repeats: int
    halvings: int


class Form(NamedTuple):
    """The nested form `[[[op1, op2, aggregation], ...], [[i, j, t, r, s], ...]]`, checked."""

    templates: tuple[TemplateForm, ...]
    layers: tuple[LayerForm, ...]

    @property
    def nested(self) -> tuple[Any, ...]:
        """The nested tuples that a `Genotype` holds."""
        return tuple(map(tuple, self.templates)), tuple(map(tuple, self.layers))


def make_decisions(sizes: Sizes) -> tuple[Decision, ...]:
    """The decisions of a space, in the order of the nested form.

    Layers of the second half have no stride to choose.
    """
    operations = tuple(operation.name for operation in OPERATIONS)
    decisions = []
    for number in range(1, sizes.templates + 1):
        decisions += [Decision(f"template{number}.op{k}", operations) for k in (1, 2)]
        decisions.append(Decision(f"template{number}.aggregation", AGGREGATIONS))
    templates = tuple(range(1, sizes.templates + 1))
    repeats = tuple(range(1, sizes.max_repeats + 1))
    for layer in range(sizes.layers):
        name = f"layer{layer + 1}"
        positions = tuple(range(sizes.positions_before(layer)))
        decisions += [Decision(f"{name}.input{k}", positions) for k in (1, 2)]
        decisions.append(Decision(f"{name}.template", templates))
        decisions.append(Decision(f"{name}.repeats", repeats))
        if layer < sizes.first_half:
            decisions.append(Decision(f"{name}.stride", (1, 2)))
    return tuple(decisions)


def from_choices(choices: Mapping[str, int | str], sizes: Sizes) -> Form:
    """Reads a complete set of choices.

    Raises:
        GenotypeError: If a decision is missing, unknown, or has none of its options.
    """
    decisions = make_decisions(sizes)
    chosen = read_choices("template", choices, decisions)
    numbers = {d.name: d.options.index(chosen[d.name]) for d in decisions}
    templates = tuple(
        TemplateForm(
            numbers[f"template{number}.op1"],
            numbers[f"template{number}.op2"],
            numbers[f"template{number}.aggregation"],
        )
        for number in range(1, sizes.templates + 1)
    )
    layers = tuple(_chosen_layer(f"layer{n}", numbers) for n in range(1, sizes.layers + 1))
    return Form(templates, layers)


def to_choices(form: Form, sizes: Sizes) -> dict[str, int | str]:
    """The inverse of `from_choices`."""
    numbers: list[int] = []
    for template in form.templates:
        numbers += template
    for index, layer in enumerate(form.layers):
        numbers += layer if index < sizes.first_half else layer[:-1]
    return {
        decision.name: decision.options[number]
        for decision, number in zip(make_decisions(sizes), numbers, strict=True)
    }


def parse(value: Any, sizes: Sizes) -> Form:
    """Reads the nested form from JSON text or from nested lists or tuples.

    Raises:
        GenotypeError: If a part is missing, left over or out of range; the message says which.
    """
    lists = read_json(value) if isinstance(value, str) else value
    templates, layers = read_parts(lists, 2, "a genotype", "templates and layers")
    templates = read_parts(
        templates, sizes.templates, "the first list", f"{sizes.templates} templates"
    )
    layers = read_parts(layers, sizes.layers, "the second list", f"{sizes.layers} layers")
    return Form(
        tuple(_parse_template(template, n) for n, template in enumerate(templates, 1)),
        tuple(_parse_layer(layer, index, sizes) for index, layer in enumerate(layers)),
    )


def on_fewer_outputs(form: Form, outputs: int, fewer: int) -> Form:
    """The form on the first of the encoder outputs; the last of them stands for those behind it."""
    layers = tuple(
        layer._replace(
            first=renumbered(layer.first, outputs, fewer),
            second=renumbered(layer.second, outputs, fewer),
        )
        for layer in form.layers
    )
    return form._replace(layers=layers)


def _chosen_layer(name: str, numbers: Mapping[str, int]) -> LayerForm:
    return LayerForm(
        numbers[f"{name}.input1"],
        numbers[f"{name}.input2"],
        numbers[f"{name}.template"],
        numbers[f"{name}.repeats"],
        numbers.get(f"{name}.stride", 0),
    )


def _parse_template(value: Any, number: int) -> TemplateForm:
    owner = f"template {number}"
    first, second, aggregation = read_parts(value, 3, owner, "two operations and an aggregation")
    return TemplateForm(
        _read_number(first, len(OPERATIONS), owner, "operation"),
        _read_number(second, len(OPERATIONS), owner, "operation"),
        _read_number(aggregation, len(AGGREGATIONS), owner, "aggregation"),
    )


def _parse_layer(value: Any, index: int, sizes: Sizes) -> LayerForm:
    owner = f"layer {index + 1}"
    content = "two inputs, template, further repeats, halvings"
    first, second, template, repeats, halvings = read_parts(value, 5, owner, content)
    positions = sizes.positions_before(index)
    if index >= sizes.first_half and halvings != 0:
        raise GenotypeError(
            f"{owner} has {halvings!r} halvings, but only the first {sizes.first_half} of "
            f"{sizes.layers} layers may have any."
        )
    return LayerForm(
        _read_number(first, positions, owner, "input"),
        _read_number(second, positions, owner, "input"),
        _read_number(template, sizes.templates, owner, "template"),
        _read_number(repeats, sizes.max_repeats, owner, "number of further repeats"),
        _read_number(halvings, 2, owner, "number of halvings"),
    )


def _read_number(value: Any, count: int, owner: str, noun: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        known = "0" if count == 1 else f"0 to {count - 1}"
        raise GenotypeError(f"{owner} has no {noun} {value!r}, only {known}.")
    return value
