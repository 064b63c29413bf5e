"""A database that cannot be reached is waited for; it is never the fault of a candidate."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from nas.errors import UserError
from nas.files import is_disk_full
from nas.searching import interrupts

_logger = logging.getLogger(__name__)

# Seconds: between the first two tries, between the last ones, and until a line is printed.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_UNTOLD = 5.0
# SQLite reports defects of a statement as it does what passes.
_PASSES_IN_SQLITE = re.compile(r"locked|busy|unable to open|disk I/O error", re.IGNORECASE)

T = TypeVar("T")


class Outages:
    """Repeats what a database refuses to do for the time being.

    One line tells of an outage, and another one of its end.

    Args:
        what: The database, as the lines name it.
        limit: Seconds after which it is given up.
    """

    def __init__(self, what: str, limit: float) -> None:
        self._what = what
        self._limit = limit
        self._told = False
        self._lock = threading.Lock()

    def wait_out(self, operation: Callable[[bool], T]) -> T:
        """Does something, and again until the database allows it.

        Args:
            operation: Told whether it has been tried before; a try that was refused may have
                succeeded nevertheless.

        Raises:
            UserError: If the database cannot be reached within the limit.
            KeyboardInterrupt: If the search is interrupted meanwhile.
        """
        since, pause = None, _FIRST_PAUSE
        while True:
            try:
                result = operation(since is not None)
            except Exception as error:
                if not is_outage(error):
                    raise
                now = time.monotonic()
                since = now if since is None else since
                reason = reason_of(error)
                if now - since > self._limit:
                    raise UserError(
                        f"{self._what} could not be reached for {now - since:.0f} s ({reason}); "
                        "what is finished is kept: continue with --resume."
                    ) from error
                if now - since > _UNTOLD:
                    self._tell(True, f"{self._what} cannot be reached ({reason}); waiting for it")
            else:
                if since is not None:
                    told = f"{self._what} is reached again after {time.monotonic() - since:.0f} s"
                    self._tell(False, told)
                return result
            with interrupts.allowed():
                time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell(self, away: bool, line: str) -> None:
        with self._lock:
            if self._told != away:
                self._told = away
                _logger.warning(line)


def is_outage(error: BaseException) -> bool:
    """Whether an error says that a database is away or busy, and nothing else."""
    if is_disk_full(error):
        return False
    found = _database_error(error)
    if isinstance(found, PoolTimeoutError):
        return True
    if not isinstance(found, DBAPIError):
        return False
    if type(found.orig).__module__.partition(".")[0] == "sqlite3":
        return bool(_PASSES_IN_SQLITE.search(str(found.orig)))
    return found.connection_invalidated or isinstance(found, (OperationalError, InterfaceError))


def reason_of(error: BaseException) -> str:
    """What a database says, on one line."""
    found = _database_error(error)
    original = found.orig if isinstance(found, DBAPIError) else error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]


def _database_error(error: BaseException) -> DBAPIError | PoolTimeoutError | None:
    """The error of SQLAlchemy that another one follows from."""
    following: BaseException | None = error
    while following is not None:
        if isinstance(following, (DBAPIError, PoolTimeoutError)):
            return following
        following = following.__cause__
    return None
