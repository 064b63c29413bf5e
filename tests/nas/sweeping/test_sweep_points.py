from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import UserError
from nas.sweeping.points import all_points, check_key, experiment_with, point_folder
from nas.sweeping.space import SettingsSpace

EXPERIMENT = {"training": {"epochs": 3}, "losses": [{"method": "soft_target", "weight": None}]}


def test_settings_of_the_loss_and_of_the_training_are_replaced() -> None:
    found = experiment_with(
        EXPERIMENT, {"training.epochs": 5, "distill.weight": 0.5, "distill.options.temperature": 2}
    )
    assert found == {
        "training": {"epochs": 5},
        "losses": [{"method": "soft_target", "weight": 0.5, "options": {"temperature": 2}}],
    }
    assert EXPERIMENT["training"] == {"epochs": 3}


def test_a_setting_of_one_loss_among_several_is_refused() -> None:
    two = {"losses": [{"method": "soft_target"}, {"method": "similarity"}]}
    with pytest.raises(UserError, match="of a single loss, and there are 2"):
        experiment_with(two, {"distill.weight": 1})


@pytest.mark.parametrize("key", ["seed", "seeds", "device", "task", "data"])
def test_what_every_point_shares_is_not_swept(key) -> None:
    with pytest.raises(UserError, match=f"sweep of {key}"):
        check_key(key)


def test_the_last_key_changes_fastest() -> None:
    space = SettingsSpace({"a": [1, 2], "b": ["x", None]})
    assert list(all_points(space)) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": None},
        {"a": 2, "b": "x"},
        {"a": 2, "b": None},
    ]


def test_a_candidate_and_its_settings_are_inverse() -> None:
    space = SettingsSpace({"a": [0.1, True], "b": [{"size": [3, 4]}, None]})
    for values in all_points(space):
        assert space.values(space.genotype_of(values)) == values


def test_points_have_folders_of_their_own_with_plain_names() -> None:
    space = SettingsSpace({"a.b": ["x/y", "x:y", 0.5]})
    names = [point_folder(Path("run"), space, values) for values in all_points(space)]
    assert [path.name for path in names] == ["a.b=x_y-0", "a.b=x_y-1", "a.b=0.5"]
