"""The folder that holds everything of one search."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nas import allowed
from nas.errors import UserError
from nas.files import (
    DiskFullError,
    is_disk_full,
    naming_full_disks,
    read_json,
    write_json,
    write_text,
)
from nas.searching.config import SearchConfig
from nas.searching.locations import placed_in, with_places
from nas.searching.provenance import provenance
from nas.searching.reading import config_class
from nas.settings import read_yaml, validate

TEACHER = "teacher"
"""Where ``run.json`` tells the scores of the teacher on the validation split."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one search: use `create` or `open`.

    ``config.yaml`` (resolved), ``study.db``, ``study.json`` (how many trials it has had),
    ``run.json`` (date, host, devices, commit, versions), ``cache/`` (safe to delete), ``plots/``,
    ``retrain/``, ``trust/``, ``logs/``.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: SearchConfig, study_name: str | None = None) -> RunFolder:
        """Makes the folder of a new search.

        Args:
            path: A folder that does not exist yet, or is empty but for a ``cache``.
            config: The configuration to save.
            study_name: Name of the study in the storage; the folder's name unless given.

        Raises:
            UserError: If the folder is in use or cannot be made.
        """
        run = cls(path)
        # Whoever makes a run has named what is in its settings.
        allowed.allow(allowed.code_in(config.model_dump(mode="json")))
        try:
            path.mkdir(parents=True, exist_ok=True)
            # A search that could not be prepared leaves what it had trained.
            if any(inside != run.cache for inside in path.iterdir()):
                raise UserError(_in_use(path))
            # "x": of two searches that start at the same time, exactly one gets the folder.
            with run.info_path.open("x", encoding="utf-8"):
                pass
        except FileExistsError as error:
            raise UserError(_in_use(path)) from error
        except OSError as error:
            if is_disk_full(error):
                raise DiskFullError(path) from error
            raise UserError(f"{path}: cannot make a run folder ({error.strerror}).") from error
        try:
            with naming_full_disks(path):
                write_json(
                    run.info_path, {"study": study_name or path.resolve().name, **provenance()}
                )
                run.save_config(config)
                for folder in (run.cache, *run._empty):
                    folder.mkdir(exist_ok=True)
        except DiskFullError:
            # The same command can then use the folder.
            run.discard_if_new()
            raise
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Opens the folder of an earlier search.

        Raises:
            UserError: If there is none at this path.
        """
        run = cls(path)
        if not path.exists():
            raise UserError(f"{path}: no such run folder.")
        if not (run.config_path.is_file() and run.info_path.is_file()):
            raise UserError(f"{path}: not a run folder (config.yaml or run.json is missing).")
        return run

    @property
    def config_path(self) -> Path:
        return self.path / "config.yaml"

    @property
    def info_path(self) -> Path:
        return self.path / "run.json"

    @property
    def study_path(self) -> Path:
        return self.path / "study.db"

    @property
    def memory_path(self) -> Path:
        """What is remembered of the study beside it, so that its loss is noticed."""
        return self.path / "study.json"

    def known_trials(self) -> int | None:
        """Number of trials that the study has had; None before it was made, and in older runs.

        Raises:
            UserError: If the file was edited and makes no sense.
        """
        if not self.memory_path.is_file():
            return None
        content = read_json(self.memory_path)
        trials = content.get("trials") if isinstance(content, dict) else None
        if not isinstance(trials, int):
            raise UserError(f"{self.memory_path}: no number of trials in it; delete the file.")
        return trials

    def remember_trials(self, number: int) -> None:
        """Remembers that the study has at least so many trials."""
        known = self.known_trials()
        if known is None or number > known:
            write_json(self.memory_path, {"trials": number})

    @property
    def cache(self) -> Path:
        """What can be computed again, keyed by content."""
        return self.path / "cache"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def retrain(self) -> Path:
        return self.path / "retrain"

    @property
    def finalists(self) -> Path:
        """Trainings of finalists that are not over yet."""
        return self.path / "finalists"

    @property
    def trust(self) -> Path:
        """Full trainings that tell how far the scores of the search can be trusted."""
        return self.path / "trust"

    @property
    def logs(self) -> Path:
        """One log for each local worker process."""
        return self.path / "logs"

    def info(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        content = read_json(self.info_path)
        if not isinstance(content, dict):
            raise UserError(f"{self.info_path}: expected keys and values.")
        return content

    def note(self, key: str, value: Any) -> None:
        """Adds something to ``run.json``, once."""
        info = self.info()
        if key not in info:
            write_json(self.info_path, {**info, key: value})

    @property
    def study_name(self) -> str:
        """Name of the study in its storage.

        Raises:
            UserError: If ``run.json`` was edited and does not tell it.
        """
        name = self.info().get("study")
        if not isinstance(name, str):
            raise UserError(f"{self.info_path}: it does not tell the study; bring the file back.")
        return name

    def config(self) -> SearchConfig:
        """Reads the resolved configuration.

        Raises:
            UserError: If it was edited and is no longer valid, or it names code that the user
                never used on this machine.
        """
        values = placed_in(self.path, self.values())
        allowed.require(allowed.code_in(values), self.path)
        kind = config_class(values) if isinstance(values, dict) else SearchConfig
        return validate(kind, values, str(self.config_path))

    def values(self) -> Any:
        """What ``config.yaml`` holds; nothing that it names is imported."""
        return read_yaml(self.config_path)

    def save_config(self, config: SearchConfig) -> None:
        """Replaces the saved configuration."""
        values = with_places(config.model_dump(mode="json"), self._relative)
        write_text(self.config_path, yaml.safe_dump(values, sort_keys=False))

    def _relative(self, place: str) -> str:
        # What lies in the run moves with it.
        path, run = Path(place), self.path.resolve()
        return str(path.relative_to(run)) if path.is_relative_to(run) else place

    def discard_if_new(self) -> None:
        """Removes what `create` put there if nothing was searched, so that it can be called again.

        What was trained before the first candidate stays in the cache.
        """
        begun = {self.config_path, self.info_path}
        others = {path for path in self.path.rglob("*") if not path.is_dir()} - begun
        if not all(path.is_relative_to(self.cache) for path in others):
            return
        if all(path.suffix == ".lock" for path in others):
            shutil.rmtree(self.path)
            return
        for path in begun:
            path.unlink(missing_ok=True)
        for path in self._empty:
            # A full disk may have left it out.
            if path.is_dir():
                path.rmdir()

    @property
    def _empty(self) -> tuple[Path, ...]:
        """The folders that a search fills later."""
        return (self.plots, self.retrain, self.logs)


def _in_use(path: Path) -> str:
    return f"{path}: already in use; continue that search with --resume, or choose another name."
