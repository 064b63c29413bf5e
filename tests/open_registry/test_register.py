from __future__ import annotations

import pytest

from open_registry import Registry, UnknownNameError


@pytest.fixture
def codecs():
    return Registry(
        "codec",
        {"json": "json.decoder:JSONDecoder", "latin": "encodings.latin_1:Codec"},
    )


def complaint(found):
    return None if isinstance(found, type) else "must be a class"


def test_built_in_ones_come_first(codecs):
    codecs.register("mine")(object)
    assert codecs.names() == ("json", "latin", "mine")


def test_a_built_in_one_is_imported_when_it_is_asked_for(codecs, monkeypatch):
    import json

    asked = []
    monkeypatch.setattr(
        "open_registry.registry.importlib.import_module",
        lambda name: asked.append(name) or json.decoder,
    )
    codecs.names()
    assert asked == []
    assert codecs.get("json") is json.JSONDecoder
    assert asked == ["json.decoder"]


def test_a_class_is_registered_under_its_name_attribute(codecs):
    @codecs.register()
    class Own:
        name = "own"

    assert codecs.get("own") is Own


def test_a_function_is_registered_under_its_own_name(codecs):
    @codecs.register
    def spell(text):
        return text

    assert codecs.get("spell") is spell


def test_what_has_no_name_is_refused(codecs):
    with pytest.raises(ValueError, match="3 is neither a class nor a function"):
        codecs.register(3)


def test_a_given_name_counts_more_than_the_attribute(codecs):
    @codecs.register("other")
    class Own:
        name = "own"

    assert codecs.get("other") is Own
    assert "own" not in codecs.names()


@pytest.mark.parametrize("taken", ["json", "mine"])
def test_a_name_cannot_be_taken_twice(codecs, taken):
    codecs.register("mine")(object)
    with pytest.raises(ValueError, match=f"there is a codec '{taken}' already; choose another"):
        codecs.register(taken)(dict)


def test_what_is_defined_anew_takes_the_place_of_the_old_one(codecs):
    def cell():
        @codecs.register("mine")
        class Own:
            pass

        return Own

    first, second = cell(), cell()
    assert first is not second
    assert codecs.get("mine") is second


def test_a_name_is_no_import_path(codecs):
    with pytest.raises(ValueError, match="cannot be called 'a:b'; leave the colon out"):
        codecs.register("a:b")(object)


def test_what_does_not_belong_is_not_registered():
    codecs = Registry("codec", check=complaint)
    with pytest.raises(ValueError, match=r"the codec 'seven' must be a class\."):
        codecs.register("seven")(7)
    assert codecs.names() == ()


def test_what_does_not_belong_is_not_imported():
    with pytest.raises(UnknownNameError, match=r"the codec 'math:pi' must be a class\."):
        Registry("codec", check=complaint).get("math:pi")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jsn", "there is no codec 'jsn'; did you mean 'json'?"),
        (
            "zip",
            "there is no codec 'zip'; choose one of json, latin, or give an import path, "
            "package.module:Name or path/to/file.py:Name.",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_what_is_known(codecs, name, message):
    with pytest.raises(UnknownNameError) as caught:
        codecs.get(name)
    assert str(caught.value) == message


def test_without_any_name_an_import_path_is_asked_for():
    with pytest.raises(UnknownNameError, match="no codec 'zip'; give an import path"):
        Registry("codec").get("zip")
