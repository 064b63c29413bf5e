"""Allows what files of somebody else name."""

from __future__ import annotations

from pathlib import Path

from nas import allowed
from nas.experiments.config import CONFIG
from nas.kinds.network_file import allow_code_of
from nas.kinds.teacher import seed_folders
from nas.models.weights import FILE, network_file, read_described
from nas.mutual_learning.anytime_file import allow_anytime
from nas.mutual_learning.networks_file import FILE as STUDENTS
from nas.mutual_learning.trained import CONFIG as MUTUAL
from nas.searching.databases import without_password
from nas.searching.run_folder import RunFolder
from nas.settings import read_yaml
from nas.tasks.registry import FILE as TASK

_YAML = (".yaml", ".yml")


def allow_place(place: Path) -> list[str]:
    """Allows the database and the code that something names; code is not run.

    Args:
        place: A run folder of any command, a task's folder or YAML file, the file or folder of a
            network, or a file of networks with exits.

    Returns:
        What is allowed from now on.

    Raises:
        UserError: If it is none of these.
    """
    if (place / "run.json").is_file():
        names = _of_run(RunFolder.open(place))
    elif (place / CONFIG).is_file() and any(place.glob("seed-*")):
        names = allowed.code_in(read_yaml(place / CONFIG))
        for folder in seed_folders(place):
            names += allow_code_of(folder / FILE)
    elif (place / TASK).is_file() or place.suffix.lower() in _YAML:
        names = allowed.code_in(_kind(place / TASK if place.is_dir() else place))
    else:
        file = network_file(place)
        has_exits = "exits" in read_described(file)
        return allow_anytime(file) if has_exits else allow_code_of(file)
    names = list(dict.fromkeys(names))
    allowed.allow(names)
    return names


def _of_run(run: RunFolder) -> list[str]:
    names = allowed.code_in(run.values())
    if (run.path / MUTUAL).is_file():
        names += allowed.code_in(read_yaml(run.path / MUTUAL))
        for file in run.path.glob(f"seed-*/{STUDENTS}"):
            names += allowed.code_in(read_described(file))
    allowed.allow(names)
    storage = run.config().storage
    return names if storage is None else [*names, without_password(storage)]


def _kind(path: Path) -> dict[str, object]:
    """What of a task.yaml may be an import path."""
    values = read_yaml(path)
    return {"kind": values.get("kind")} if isinstance(values, dict) else {}
