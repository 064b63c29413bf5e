"""The values of a page about a search of the session."""

from __future__ import annotations

from typing import Any

import pytest

from nas.report.page.contents import Shown, contents
from nas.report.runs import read_snapshot
from nas.searching.run_folder import RunFolder


@pytest.fixture
def page_values(finished_run) -> dict[str, Any]:
    folder = RunFolder.open(finished_run)
    return contents([Shown(folder, read_snapshot(folder))])
