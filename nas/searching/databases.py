"""The database of a study: how it is opened, and how its address is shown and checked."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from nas.errors import UserError
from nas.searching.outages import Outages
from nas.searching.storage import READING, TrialStorage

# Seconds that SQLite waits for its turn to use the file, before `Outages` does.
_SQLITE_TIMEOUT = 20
_PASSWORD_KEYS = ("password", "passwd", "sslpassword")
PASSWORD = "NAS_STORAGE_PASSWORD"
"""The variable that may hold the password of a storage."""


def connect(
    place: str | Path,
    *,
    held: bool = True,
    patience: float = 0.0,
    reached: bool = True,
    **options: Any,
) -> TrialStorage:
    """Opens a database for reading; workers use `nas.searching.study.working_storage`.

    Args:
        place: A SQLAlchemy URL, whose password the variable ``NAS_STORAGE_PASSWORD`` may give; or
            the path of a SQLite file, which may have any name.
        held: Whether connections stay open between two uses; a SQLite file that somebody holds
            open cannot become a single file again.
        patience: Seconds for which the database is waited for whenever it is away; 0 raises.
        reached: Whether it has been reached before, and is waited for from the beginning.
        options: Options of Optuna's storage.

    Raises:
        UserError: If it is no URL, it cannot be reached or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url, engine = _of_file(place) if isinstance(place, Path) else _of_url(place)
    # Whoever waits for a database tries again where a connection has broken.
    engine["pool_pre_ping"] = not patience
    told = place if isinstance(place, Path) else without_password(place)
    if not held:
        engine["poolclass"] = NullPool
    outages = Outages(f"the database {told}", patience) if patience else None

    def opened(again: bool) -> TrialStorage:
        return TrialStorage(url, outages, engine_kwargs=engine, **options)

    try:
        return outages.wait_out(opened) if outages and reached else opened(False)
    except ImportError as error:
        raise UserError(
            f"--storage {told} needs a database driver: {error.__cause__}; "
            "for PostgreSQL install the extra 'postgresql'."
        ) from error
    except (SQLAlchemyError, OptunaError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"cannot use the storage {told}: {reason}.") from error


def _of_file(path: Path) -> tuple[str, dict[str, Any]]:
    """What opens a SQLite file; in a URL some characters of its name would mean something else."""
    file = path.resolve()

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(file, timeout=_SQLITE_TIMEOUT, check_same_thread=False)

    # The URL tells SQLAlchemy that it is a file, and `creator` which.
    return "sqlite:///study.db", {"creator": opened}


def _of_url(url: str) -> tuple[str, dict[str, Any]]:
    """What opens the database of a URL.

    Raises:
        UserError: If it is no URL.
    """
    _check_url(url)
    if url.startswith("sqlite"):
        return url, {"connect_args": {"timeout": _SQLITE_TIMEOUT}}
    password = os.environ.get(PASSWORD)
    arguments = {"connect_args": {"password": password}} if password else {}
    return url, arguments


def serialise_sqlite(engine: Engine) -> None:
    """Makes every transaction of this process that writes take its turn before it reads.

    Optuna reads the state of a trial and then writes it. On a database server it locks the row;
    SQLite has no such lock, so that a trial could be marked as failed and as complete.
    """

    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        # Write-ahead logging saves two thirds of the waits for the disk and survives a kill.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def begin(connection: Connection) -> None:
        # Single statements, which need no transaction around them.
        if not connection.get_execution_options().get(READING, False):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    engine.dispose()


def merge_log(path: Path) -> None:
    """Makes a SQLite database a single file again, unless another process is using it."""
    connection = sqlite3.connect(path, timeout=0)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        # The last process to leave merges.
        return
    finally:
        connection.close()


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, or None if it is another database."""
    try:
        parts = make_url(url)
    except ArgumentError:
        return None
    if parts.get_backend_name() != "sqlite" or parts.database in (None, "", ":memory:"):
        return None
    return Path(str(parts.database))


def without_password(url: str) -> str:
    """The URL of a database as it may be shown and saved."""
    try:
        parts = make_url(url)
    except ArgumentError:
        _, at, tail = url.rpartition("@")
        return f"...@{tail}" if at else url
    parts = parts._replace(password=None).difference_update_query(_PASSWORD_KEYS)
    return parts.render_as_string(hide_password=False)


def refuse_password(url: str) -> None:
    """Refuses the URL of a database that holds a password.

    Raises:
        UserError: One sentence that says where it belongs.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        # Whoever connects says what is wrong.
        return
    if parts.password is not None or parts.query.keys() & set(_PASSWORD_KEYS):
        raise UserError(
            f"--storage {without_password(url)}: leave the password out, as others of this machine "
            f"can read commands and run folders; set {PASSWORD}, or use the file of the database's "
            "client, such as ~/.pgpass."
        )


def _check_url(url: str) -> None:
    try:
        parts = make_url(url)
    except ArgumentError as error:
        raise UserError(
            f"the storage {without_password(url)!r} is no database URL; write for example "
            "postgresql://user@host/name, or sqlite:////folder/file.db."
        ) from error
    if parts.get_backend_name() == "sqlite" and sqlite_path(url) is None:
        raise UserError(
            f"the storage {url!r} names no file; write sqlite:////folder/file.db, or leave it out."
        )
