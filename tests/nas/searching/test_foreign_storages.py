"""Databases that a run folder names: passwords, servers of others, files that are no studies."""

from __future__ import annotations

import sqlite3

import pytest
import yaml
from search_fakes import FakeAssembly

from nas import allowed
from nas.errors import UserError
from nas.searching import databases
from nas.searching.databases import connect, refuse_password, without_password
from nas.searching.reading import load_config
from nas.searching.run_folder import RunFolder
from nas.searching.search import resume, start
from nas.searching.study import join_study, read_study

SECRET = "s3cret"
URLS = [
    f"postgresql://me:{SECRET}@server/studies",
    f"postgresql+psycopg://me:{SECRET}@server:5432/studies?sslmode=require",
    f"postgresql://me@server/studies?password={SECRET}",
    f"mysql+pymysql://me:{SECRET}@server/studies",
    f"mysql://me@server/studies?passwd={SECRET}",
]


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(allowed, "_told", set())


@pytest.fixture
def foreign(tmp_path):
    """Makes a run folder that names a storage."""

    def make(storage):
        return RunFolder.create(tmp_path / "run", load_config(None, {"storage": storage}))

    return make


@pytest.mark.parametrize("url", URLS)
def test_a_password_is_refused_and_not_repeated(url):
    with pytest.raises(UserError, match="leave the password out") as refused:
        refuse_password(url)
    assert SECRET not in str(refused.value)
    assert SECRET not in without_password(url)
    assert "me@server" in without_password(url)


@pytest.mark.parametrize("url", ["postgresql://me@server/a", "sqlite:////tmp/a.db", "no url"])
def test_what_holds_no_password_is_no_matter(url):
    refuse_password(url)
    assert without_password(url) == url


@pytest.mark.parametrize("url", URLS)
def test_a_new_search_saves_no_password(tmp_path, url):
    config = load_config(None, {"storage": url, "trials": 1})
    with pytest.raises(UserError, match="leave the password out") as refused:
        start(config, tmp_path / "run", FakeAssembly(), "nowhere:nothing")
    assert SECRET not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("url", URLS)
def test_a_worker_is_told_no_password(tmp_path, url):
    with pytest.raises(UserError, match="leave the password out"):
        join_study(tmp_path / "run", url, "study")


def test_the_password_of_the_environment_goes_to_the_driver_alone(monkeypatch):
    monkeypatch.setenv("NAS_STORAGE_PASSWORD", SECRET)
    given = {}

    def storage(url, outages, engine_kwargs, **options):
        given.update(url=url, **engine_kwargs)

    monkeypatch.setattr(databases, "TrialStorage", storage)
    connect("postgresql://me@server/studies")
    assert given["connect_args"] == {"password": SECRET}
    assert SECRET not in given["url"]
    connect("sqlite:////tmp/a.db")
    assert "password" not in given["connect_args"]


def test_a_server_that_a_folder_names_is_not_asked(foreign, monkeypatch):
    run = foreign("postgresql://me@evil.example/studies")
    monkeypatch.setattr("nas.searching.study.connect", None)
    with pytest.raises(UserError, match=r"evil\.example/studies, which was never used "):
        read_study(run)
    with pytest.raises(UserError, match="nas allow"):
        resume(run.path, FakeAssembly(), "nowhere:nothing")


def test_a_database_of_something_else_is_left_as_it_is(foreign, tmp_path):
    path = tmp_path / "precious.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    before = path.read_bytes()
    run = foreign(f"sqlite:///{path}")
    with pytest.raises(UserError, match="nas allow"):
        read_study(run)
    allowed.allow([f"sqlite:///{path}"])
    with pytest.raises(UserError, match="cannot use the storage"):
        read_study(run)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.glob("precious*")) == ["precious.db"]


def test_a_database_that_is_not_there_is_not_made(foreign, tmp_path):
    run = foreign(f"sqlite:///{tmp_path / 'absent.db'}")
    allowed.allow([f"sqlite:///{tmp_path / 'absent.db'}"])
    with pytest.raises(UserError, match="no such file"):
        read_study(run)
    assert not (tmp_path / "absent.db").exists()


def test_a_storage_that_this_user_has_named_is_read(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    config = load_config(None, {"storage": url, "trials": 1})
    run = start(config, tmp_path / "run", FakeAssembly(), "nowhere:nothing")
    allowed._told.clear()
    assert len(read_study(run).get_trials()) == 1


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite://", "sqlite:///:memory:"])
def test_a_storage_without_a_file_is_one_sentence(tmp_path, url):
    config = load_config(None, {"storage": url})
    with pytest.raises(UserError, match="names no file"):
        start(config, tmp_path / "run", FakeAssembly(), "nowhere:nothing")


@pytest.mark.parametrize("url", ["", "nonsense", "://", "a b c", f"x:y:{SECRET}@"])
def test_a_storage_that_is_no_url_is_one_sentence(tmp_path, url):
    config = load_config(None, {"storage": url})
    with pytest.raises(UserError, match="no database URL") as no:
        start(config, tmp_path / "run", FakeAssembly(), "nowhere:nothing")
    assert SECRET not in str(no.value)


def test_a_run_of_before_that_saved_a_password_still_opens_and_shows_none(foreign, monkeypatch):
    run = foreign(URLS[0])
    assert yaml.safe_load(run.config_path.read_text())["storage"] == URLS[0]
    with pytest.raises(UserError, match="nas allow") as refused:
        read_study(run)
    assert SECRET not in str(refused.value)
