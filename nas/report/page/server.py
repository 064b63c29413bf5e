"""Serves the page about searches that still run, on this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from nas.errors import UserError

VALUES = "/values.json"
_HOST = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    """Answers each path with what its function gives.

    Attributes:
        answers: Type of the content and what gives it, by path.
    """

    answers: ClassVar[Mapping[str, tuple[str, Callable[[], str]]]]

    def do_GET(self) -> None:
        # Pages of other sites reach the loopback too, by a name that they control.
        if (self.headers.get("Host") or "").rsplit(":", 1)[0] not in ("localhost", _HOST):
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", "ask for localhost")
        elif self.path not in self.answers:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "no such page")
        else:
            kind, give = self.answers[self.path]
            try:
                self._answer(HTTPStatus.OK, kind, give())
            except UserError as error:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", str(error))

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Requests come every few seconds and tell nothing."""


def make_server(page: str, values: Callable[[], str], port: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback, which no other machine reaches.

    Args:
        page: The HTML text.
        values: Gives what the page shows, as JSON; asked every few seconds by every open page.
        port: Its port; any free one unless given.

    Raises:
        UserError: If the port is in use or not allowed.
    """

    class Handler(_Handler):
        answers: ClassVar = {"/": ("text/html", lambda: page), VALUES: ("application/json", values)}

    try:
        server = ThreadingHTTPServer((_HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise UserError(f"port {port}: cannot be used ({error}); choose another one.") from error
    server.daemon_threads = True
    return server


def address(server: ThreadingHTTPServer) -> str:
    """Where the page of a server is."""
    return f"http://localhost:{server.server_address[1]}/"
