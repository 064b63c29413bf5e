from __future__ import annotations

from pathlib import Path

import pytest

import search_spaces
from nas.errors import UserError
from nas.searching.config import SearchConfig, TableSearchConfig, image_config
from nas.searching.locations import placed_in
from nas.searching.reading import load_config
from nas.settings import validate


def _yaml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "search.yaml"
    path.write_text(text)
    return path


def test_overrides_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    text = "trials: 7\nseed: 3\nspace: {name: fastnas, options: {cells: 2, width: 24}}\n"
    path = _yaml(tmp_path, text)
    config = load_config(path, {"trials": 9, "space.options.cells": 1})
    assert (config.trials, config.seed, config.workers) == (9, 3, 1)
    assert config.space.options == {"cells": 1, "width": 24}


def test_options_without_a_name_are_those_of_the_default_space(tmp_path: Path) -> None:
    path = _yaml(tmp_path, "space: {options: {widths: [16, 32]}}")
    small = {"decoder": "pyramid", "widths": [16, 32]}
    for config in (load_config(path, {}), load_config(None, {"space.options.widths": [16, 32]})):
        assert (config.space.name, config.space.options) == ("small", small)
    table = load_config(None, {"table": "cells.npz", "space.options.cells": 1})
    assert table.space.name == "nasbench201"


def test_a_search_without_a_space_takes_that_of_its_tasks_kind(tmp_path: Path) -> None:
    described = _yaml(tmp_path, "kind: classification")
    photos = tmp_path / "photos"
    for image in ("train/ant/0.png", "train/bee/0.png"):
        (photos / image).parent.mkdir(parents=True)
        (photos / image).touch()
    tasks = {"faces": "small", "digits": "nasbench201", "spoofing": "nasbench201"}
    for task, space in (
        tasks | dict.fromkeys(map(str, (described, photos)), "nasbench201")
    ).items():
        assert load_config(None, {"task": task}).space.name == space
    options = {"task": "digits", "space.options.channels": 4, "evaluation.training.epochs": 1}
    assert load_config(None, options).space.options == {"channels": 4}
    assert load_config(None, {"task": "digits", "space.name": "small"}).space.name == "small"


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(_yaml(tmp_path, ""), {}) == load_config(None, {})


def test_an_unknown_key_names_the_file_and_the_nearest_key(tmp_path: Path) -> None:
    path = _yaml(tmp_path, "controler: {name: ppo}\n")
    with pytest.raises(UserError, match=r"search\.yaml.*'controler'; did you mean 'controller'"):
        load_config(path, {})


def test_an_unknown_key_in_a_section_names_the_nearest_one_there() -> None:
    with pytest.raises(UserError, match=r"'reward\.agregate'; did you mean 'aggregate'"):
        load_config(None, {"reward.agregate": "mean"})


def test_the_front_is_over_penalised_costs_or_limited_ones_or_flops() -> None:
    limited = {"limits": {"params": 1e5}}
    penalised = {"reward.penalties": [{"cost": "macs"}], **limited}
    found = [load_config(None, changes).front_costs for changes in (penalised, limited, {})]
    assert found == [("macs",), ("params",), ("flops",)]


def test_a_negative_penalty_base_is_refused() -> None:
    penalties = [{"cost": "flops", "base": -2.0}]
    with pytest.raises(UserError, match="above 0 or 'auto', not -2"):
        load_config(None, {"reward.penalties": penalties})


def test_a_positive_exponent_is_refused() -> None:
    penalties = [{"cost": "flops", "exponent": 0.5}]
    with pytest.raises(UserError, match=r"must be 0 or below, not 0\.5"):
        load_config(None, {"reward.penalties": penalties})


def test_a_cost_penalised_twice_is_refused() -> None:
    with pytest.raises(UserError, match="penalised twice"):
        load_config(None, {"reward.penalties": [{"cost": "flops"}, {"cost": "flops"}]})


def test_setting_a_key_below_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'space\.name\.x' cannot be set"):
        load_config(_yaml(tmp_path, "space: {name: fastnas}\n"), {"space.name.x": 1})


def test_the_objectives_are_the_quality_and_the_penalised_costs() -> None:
    config = load_config(None, {"reward.penalties": [{"cost": "flops"}, {"cost": "params"}]})
    assert config.objectives == ("quality", "flops", "params")
    assert load_config(None, {}).objectives == ("quality",)


def test_the_space_says_which_kind_of_search_it_is() -> None:
    assert isinstance(load_config(None, {}), image_config("segmentation"))
    cells = load_config(None, {"space.name": "darts", "task": "digits"})
    assert isinstance(cells, image_config("classification"))
    table = load_config(None, {"table": "results.npz", "space.name": "nasbench201"})
    assert isinstance(table, TableSearchConfig)


def test_a_wrong_key_is_told_with_the_keys_of_its_kind() -> None:
    with pytest.raises(UserError, match="did you mean 'epochs'"):
        load_config(None, {"space.name": "darts", "evaluation.training.epoch": 3})
    with pytest.raises(UserError, match=r"unknown key .evaluation\.training."):
        load_config(None, {"evaluation.training.epochs": 3})


def test_a_named_encoder_is_the_only_one_that_a_space_chooses_among() -> None:
    config = load_config(None, {"space.name": "small", "evaluation.encoder.name": "lcnet_050"})
    assert config.space.options["encoders"] == ["lcnet_050"]
    again = load_config(None, config.model_dump(mode="json"))
    assert again == config
    fixed = load_config(None, {"space.name": "fastnas", "evaluation.encoder.name": "lcnet_050"})
    assert fixed.space.options == {}


def test_a_new_search_has_pyramids_unless_another_decoder_or_its_sizes_are_told() -> None:
    widths = [16, 24, 32, 48, 64, 96]
    assert load_config(None, {}).space.options == {"decoder": "pyramid", "widths": widths}
    wide = load_config(None, {"space.name": "small", "space.options.widths": [128]})
    assert wide.space.options == {"decoder": "pyramid", "widths": [128]}


def test_a_new_search_has_classifiers_as_auxiliary_heads_unless_told_otherwise() -> None:
    sizes = {"branches": 3, "cells": 3, "auxiliary": "classifier"}
    cells = load_config(None, {"space.name": "small", "space.options.decoder": "fastnas"})
    assert cells.space.options == {"decoder": "fastnas", "sizes": sizes}
    told = load_config(None, {"space.options.sizes": {"branches": 2, "cells": 1}})
    assert told.space.options == {"sizes": {"branches": 2, "cells": 1}}
    other = load_config(None, {"space.name": "small", "space.options.decoder": "template"})
    assert other.space.options == {"decoder": "template"}


def test_a_run_that_saved_no_options_keeps_its_auxiliary_cells() -> None:
    former = image_config("segmentation").model_validate({"space": {"name": "small"}})
    genotype = '["lcnet_035",8,12,[[1,[0,1,0,0],[0,1,0,0]],[[0,0],[0,0],[0,0]]]]'

    def parameters(config: SearchConfig) -> int:
        space = search_spaces.create("small", **config.space.options)
        decoder = space.build(
            space.parse(genotype), encoder_channels=[8, 8], encoder_strides=[4, 8], num_classes=3
        )
        return sum(weight.numel() for weight in decoder.auxiliary_heads.parameters())

    classifiers = 3 * (9 * 12 * 3 + 3)
    cells = {"space.name": "small", "space.options.decoder": "fastnas"}
    assert parameters(load_config(None, cells)) == classifiers
    assert parameters(former) > classifiers


def test_a_named_encoder_beside_a_list_of_others_is_refused() -> None:
    options = {
        "space.name": "small",
        "space.options.encoders": ["lcnet_035", "ghostnet_050"],
        "evaluation.encoder.name": "lcnet_050",
    }
    with pytest.raises(UserError, match="lists lcnet_035, ghostnet_050; leave one of them out"):
        load_config(None, options)


def test_imports_that_are_no_list_are_refused() -> None:
    with pytest.raises(UserError, match=r"imports: expected a list, found 1\.$"):
        validate(image_config("classification"), {"imports": 1}, "config.yaml")


def test_a_list_that_is_given_as_keys_and_values_names_the_keys_of_its_items() -> None:
    wanted = r"reward.penalties: expected a list of items with the keys .*cost.*, found keys and"
    with pytest.raises(UserError, match=wanted):
        load_config(None, {"reward.penalties": {"flops": -0.3}})


def test_a_place_of_a_name_that_no_file_can_have_stays_as_it_is(tmp_path: Path) -> None:
    values = {"task": "digits", "data": "x" * 300}
    assert placed_in(tmp_path, values) == values
