"""What is done to runs after their searches: results declared void, folders deleted."""

from __future__ import annotations

import shutil

from nas.errors import UserError
from nas.searching.records import VOID, read_records
from nas.searching.run_folder import RunFolder
from nas.searching.study import read_study


def void(run: RunFolder, number: int, reason: str) -> None:
    """Declares the result of a trial void, so that fronts and ``--best`` leave it out.

    Controllers have learned from it, and it counts among the trials asked for.

    Args:
        run: The run folder.
        number: Of the trial, which is complete.
        reason: Why.

    Raises:
        UserError: If there is no such complete trial, or no reason.
    """
    if not reason.strip():
        raise UserError("--reason is empty; say why the result is void.")
    study = read_study(run)
    complete = [record.number for record in read_records(study) if record.is_complete]
    if number not in complete:
        raise UserError(f"{run.path}: no complete trial {number}.")
    study.set_user_attr(VOID, {**study.user_attrs.get(VOID, {}), str(number): reason.strip()})


def valid_again(run: RunFolder, number: int) -> None:
    """Takes back that a result is void.

    Raises:
        UserError: If the trial is not void.
    """
    study = read_study(run)
    known = dict(study.user_attrs.get(VOID, {}))
    if known.pop(str(number), None) is None:
        raise UserError(f"{run.path}: trial {number} is not void.")
    study.set_user_attr(VOID, known)


def delete(run: RunFolder, *, force: bool = False) -> str | None:
    """Deletes the folder of a run; a study in a database of its own stays there.

    Args:
        run: The run folder.
        force: Also where trials are recorded as running, or the study cannot be read.

    Returns:
        A sentence about what stays, or None.

    Raises:
        UserError: If trials are running, or the folder is a link.
    """
    if run.path.is_symlink():
        raise UserError(f"{run.path}: this is a link; name the folder that it leads to.")
    if not force:
        running = sum(record.state == "running" for record in read_records(read_study(run)))
        if running:
            raise UserError(
                f"{run.path}: {running} trials are running, or their workers were killed; stop "
                "the search, then give --force."
            )
    stays = None
    if run.config().storage is not None:
        stays = f"study {run.study_name!r} stays in its database."
    shutil.rmtree(run.path)
    return stays
