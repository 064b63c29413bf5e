"""The databases of a fault campaign: looked at and broken not by way of what is tested."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "scripts" / "postgresql.sh"
PASSWORD = "only-for-tests"


class Database:
    """Where the study of a case is kept: looked at and broken not by way of what is tested."""

    url: str

    def rows(self, query: str) -> list[tuple[int, str]]:
        """What a query finds; OSError while the database is away."""
        raise NotImplementedError

    def lock(self, seconds: float) -> None:
        """Keeps everybody else from writing."""
        raise NotImplementedError

    def leave(self, seconds: float) -> None:
        """Goes away for a while."""
        raise NotImplementedError

    def move_clock(self, hours: int) -> None:
        """Changes all heartbeats."""
        raise NotImplementedError


class Sqlite(Database):
    """A file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "storage" / "study.db"
        self._file.parent.mkdir()
        self.url = f"sqlite:///{self._file}"

    def rows(self, query: str) -> list[tuple[int, str]]:
        if not self._file.is_file():
            raise FileNotFoundError(self._file)
        connection = sqlite3.connect(self._file, timeout=5)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def lock(self, seconds: float) -> None:
        connection = sqlite3.connect(self._file, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.rollback()
        connection.close()

    def leave(self, seconds: float) -> None:
        away = self._file.parent.with_name("away")
        self._file.parent.rename(away)
        time.sleep(seconds)
        shutil.rmtree(self._file.parent, ignore_errors=True)
        away.rename(self._file.parent)

    def move_clock(self, hours: int) -> None:
        connection = sqlite3.connect(self._file, timeout=30)
        with connection:
            connection.execute(
                "UPDATE trial_heartbeats SET heartbeat = datetime('now', ?)", (f"{hours} hours",)
            )
        connection.close()


class Postgresql(Database):
    """A database of a server that runs for the campaign."""

    def __init__(self, server: Path, name: str) -> None:
        self._server = server
        base = self._ask("start")
        self._connected(base).execute(f'CREATE DATABASE "{name}"').connection.close()
        self.url = f"{base.rpartition('/')[0]}/{name}"

    def _connected(self, url: str) -> Any:
        import psycopg

        return psycopg.connect(url, password=PASSWORD, autocommit=True, connect_timeout=5)

    def _ask(self, command: str) -> str:
        done = subprocess.run([SERVER, command, self._server], check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def rows(self, query: str) -> list[tuple[int, str]]:
        import psycopg

        try:
            with self._connected(self.url) as connection:
                # Not behind a lock of ours.
                connection.execute("SET lock_timeout = '2s'")
                return list(connection.execute(query).fetchall())
        except psycopg.Error as error:
            raise OSError(str(error)) from error

    def lock(self, seconds: float) -> None:
        with self._connected(self.url) as connection, connection.transaction():
            connection.execute("LOCK TABLE trials IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    def leave(self, seconds: float) -> None:
        self._ask("stop")
        time.sleep(seconds)
        self._ask("start")

    def move_clock(self, hours: int) -> None:
        with self._connected(self.url) as connection:
            connection.execute(
                f"UPDATE trial_heartbeats SET heartbeat = now() + interval '{hours} hours'"
            )
