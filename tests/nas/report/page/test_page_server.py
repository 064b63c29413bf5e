from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer

import pytest

from nas.errors import UserError
from nas.report.page.server import VALUES, make_server


@pytest.fixture
def served() -> Iterator[ThreadingHTTPServer]:
    answers = iter(['{"a":1}'])

    def values() -> str:
        try:
            return next(answers)
        except StopIteration:
            raise UserError("runs/x: no such run folder.") from None

    with make_server("<p>page</p>", values) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _get(server: ThreadingHTTPServer, path: str, host: str = "localhost") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_and_its_values_are_given_to_this_machine(served) -> None:
    assert _get(served, "/") == (200, "<p>page</p>")
    assert _get(served, VALUES) == (200, '{"a":1}')


def test_what_cannot_be_read_is_told_and_the_server_goes_on(served) -> None:
    _get(served, VALUES)
    assert _get(served, VALUES) == (503, "runs/x: no such run folder.")
    assert _get(served, "/")[0] == 200


def test_another_name_of_this_machine_is_refused(served) -> None:
    assert _get(served, VALUES, "evil.example")[0] == 403


def test_another_path_is_not_found(served) -> None:
    assert _get(served, "/etc/passwd")[0] == 404


def test_a_port_in_use_is_one_sentence(served) -> None:
    with pytest.raises(UserError, match="cannot be used"):
        make_server("", str, served.server_address[1])
