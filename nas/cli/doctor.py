"""``nas doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    run: Annotated[Path | None, typer.Argument(help="Run whose storage is tried too.")] = None,
) -> None:
    """Check versions, devices, compiler, permissions, free disk and the storage of a run."""
    from nas.report.doctor import doctor_table, examine
    from nas.searching.run_folder import RunFolder
    from nas.terminal import plain_console

    findings = examine(None if run is None else RunFolder.open(run))
    plain_console().print(doctor_table(findings))
    if any(finding.problem is not None for finding in findings):
        raise typer.Exit(1)
