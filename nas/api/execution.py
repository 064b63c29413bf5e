"""A search from its settings by dotted key, as the command line and Python give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.api.arguments import Config, split_config
from nas.api.folders import default_search
from nas.api.progress import displays
from nas.errors import UserError
from nas.nested import flattened
from nas.settings import overridden, read_values, validate

if TYPE_CHECKING:
    from nas.searching.config import SearchConfig


def run_search(
    options: Mapping[str, Any],
    *,
    run: Path | None = None,
    config: Config | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Starts or continues a search whose settings are given by dotted key; see `nas.search`.

    Returns:
        The run folder.
    """
    from nas.searching.assembly import IMPORT_PATH, StandardAssembly
    from nas.searching.reading import load_config
    from nas.searching.run_folder import RunFolder
    from nas.searching.search import resume as continue_search
    from nas.searching.search import start

    path, options = split_config(config, options)
    with displays(progress) as (epochs, look):
        assembly = StandardAssembly(*epochs)
        if not resume:
            resolved = load_config(path, options)
            named = flattened(read_values(path)) | options
            if not any(key == "space" or key.startswith("space.") for key in named):
                space = assembly.space_within(
                    resolved, lambda name: load_config(path, {**options, "space.name": name})
                )
                if space is not None:
                    resolved = load_config(path, {**options, "space.name": space})
            folder = run or default_search(resolved)
            start(resolved, folder, assembly, IMPORT_PATH, look)
            _finish(resolved, folder, *epochs)
            return folder
        if run is None:
            raise UserError("a search that continues needs its run folder; give run.")
        if path is not None:
            load_config(path, {})
            options = flattened(read_values(path)) | options
        known = RunFolder.open(run).config()
        changes = {key: value for key, value in options.items() if key != "data"}
        validate(type(known), overridden(known.model_dump(mode="json"), changes), "--resume")
        continue_search(run, assembly, IMPORT_PATH, look, options)
        _finish(known, run, *epochs)
    return run


def _finish(config: SearchConfig, run: Path, show: Any, say: Any) -> None:
    from nas.searching.config import SweepSearchConfig, TableSearchConfig
    from nas.searching.run_folder import RunFolder

    if isinstance(config, TableSearchConfig | SweepSearchConfig):
        # Neither has finalists, and training need not be imported.
        return
    from nas.searching.finalists import train_finalists

    train_finalists(RunFolder.open(run), show, show, say)
