from __future__ import annotations

import pytest

from nas.cli.values import assignments
from nas.errors import UserError
from nas.settings import read_yaml


@pytest.mark.parametrize("text", ["[" * 3_000, "{a: " * 3_000, "- " * 3_000])
def test_a_file_that_is_nested_without_end_is_one_sentence(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"nested too deep|not a YAML file"):
        read_yaml(path)


@pytest.mark.parametrize("text", ["a: 2001-99-99", "a: 0x", "a: !!python/object:os.system x"])
def test_values_that_yaml_cannot_make_are_one_sentence(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    try:
        read_yaml(path)
    except UserError as error:
        assert "not a YAML file" in str(error)


@pytest.mark.parametrize("value", ["[" * 3_000, "2001-99-99"])
def test_values_on_the_command_line_too(value):
    with pytest.raises(UserError, match="the value is not YAML"):
        assignments([f"a={value}"])
