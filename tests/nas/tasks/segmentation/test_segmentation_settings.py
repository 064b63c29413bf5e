from __future__ import annotations

import pytest
import yaml

from nas.errors import UserError
from nas.settings import validate
from nas.tasks.segmentation.settings import SegmentationSettings

MINIMAL = {
    "name": "t",
    "images": "images",
    "masks": "masks",
    "classes": ["background", "left_eye", "right_eye"],
    "input_size": [64, 48],
}


def settings(**changes):
    return validate(SegmentationSettings, {**MINIMAL, **changes}, "task.yaml")


def problem(**changes):
    with pytest.raises(UserError) as caught:
        settings(**changes)
    return str(caught.value)


def test_a_list_of_classes_is_numbered_from_zero():
    assert settings().classes == {0: "background", 1: "left_eye", 2: "right_eye"}


def test_a_mapping_of_classes_is_ordered_by_value():
    assert list(settings(classes={200: "b", 0: "a"}).classes.items()) == [(0, "a"), (200, "b")]


def test_unknown_reward_class_names_the_nearest():
    assert "did you mean 'left_eye'?" in problem(reward_classes=["left_eyes"])


def test_unknown_class_in_pairs_names_the_nearest():
    assert "pairs: unknown class 'right_eey'" in problem(pairs=[["left_eye", "right_eey"]])


def test_unknown_class_within_a_merged_group_member_is_named():
    assert "groups.eyes: unknown class 'iris'" in problem(groups={"eyes": [["left_eye", "iris"]]})


def test_a_class_in_two_pairs_is_refused():
    pairs = [["left_eye", "right_eye"], ["background", "right_eye"]]
    assert "two pairs" in problem(pairs=pairs)


def test_ignore_index_must_not_be_a_class():
    assert "ignore_index 2 is the value of the class 'right_eye'" in problem(ignore_index=2)


def test_unknown_key_names_the_nearest():
    assert "did you mean 'reward_classes'?" in problem(reward_clases=["left_eye"])


def test_unknown_key_of_a_split_is_named():
    assert "splits.train.nams" in problem(splits={"train": {"nams": "train.txt"}})


def test_a_range_that_yaml_read_as_a_number_is_explained():
    split = yaml.safe_load("validation: 10:50")
    assert split == {"validation": 650}
    assert "write a range in quotes" in problem(splits=split)


def test_an_empty_range_is_refused():
    assert "'70:60' is empty" in problem(splits={"train": "70:60"})


def test_a_split_cannot_be_given_in_two_ways():
    split = {"range": "0:5", "names": "train.txt"}
    assert "exactly one of" in problem(splits={"train": split})


def test_ranges_need_common_folders():
    splits = {"train": "0:5", "validation": "5:6", "test": "6:7"}
    assert "splits.train" in problem(splits=splits, images=None, masks=None)


def test_splits_with_own_folders_need_no_common_ones():
    pair = {"images": "a", "masks": "b"}
    splits = {"train": pair, "test": pair}
    assert settings(splits=splits, images=None, masks=None).splits.validation.held_out == 0.1


@pytest.mark.parametrize(
    ("text", "selected"),
    [("0:70", (0, 70)), ("85:", (85, 200)), (":0.7", (0, 140)), ("0.25:1.0", (50, 200))],
)
def test_range_selects_numbers_or_shares(text, selected):
    bounds = settings(splits={"train": text}).splits.train.bounds(200)
    assert (bounds.start, bounds.stop) == selected
