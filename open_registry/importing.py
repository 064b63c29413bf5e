"""Modules by their name or file, and what another process has to be told to import them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from open_registry.errors import UnknownNameError

_SUFFIX = ".py"
_MAIN = ("__main__", "__mp_main__")
_MISSING = Path()


def load_modules(sources: Iterable[str]) -> None:
    """Imports modules whose decorators register something; one that is imported stays as it is.

    Args:
        sources: Names of modules (``package.module``) and paths of files (``path/to/file.py``).

    Raises:
        UnknownNameError: If one cannot be imported, with the reason.
    """
    for source in sources:
        import_source(source)


def import_source(source: str) -> ModuleType:
    """Imports a module by its name, or by the path of its file.

    A module that no folder of ``sys.path`` holds is looked for in the current folder. A file is
    imported as the member of its package, or by its own name with its folder at the end of
    ``sys.path``, so that it finds its neighbours, and processes that are handed its objects find
    it. Only where that name belongs to another module, its path is made a part of it. A file that
    is imported already, be it as the running script, is not imported again.

    Args:
        source: ``package.module`` or ``path/to/file.py``.

    Raises:
        UnknownNameError: If it cannot be imported, with the reason.
    """
    if source.endswith(_SUFFIX):
        return _import_file(Path(source).expanduser().resolve())
    if _origin(source) is _MISSING:
        _extend_path(Path.cwd())
    return _run(source, source)


def importable_from_elsewhere(module: ModuleType) -> str | None:
    """What `import_source` takes for a module in a process that starts in any folder.

    Installed modules are told by their names, all others by the absolute paths of their files.

    Returns:
        None for a notebook or an interactive session, which no other process can import.
    """
    file = _file_of(module)
    if file is None or file.suffix != _SUFFIX:
        return None if module.__name__ in _MAIN else module.__name__
    installed = any(file.is_relative_to(folder) for folder in _installation_folders())
    return module.__name__ if installed and module.__name__ not in _MAIN else str(file)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UnknownNameError(f"there is no file {path}.")
    imported = _imported_from(path)
    if imported is not None:
        return imported
    root, name = _place(path)
    _extend_path(root)
    if _origin(name) in (path, root / name.partition(".")[0] / "__init__.py"):
        return _run(name, str(path))
    spec = importlib.util.spec_from_file_location(_unique_name(path), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise _failure(str(path), error) from error
    return module


def _run(name: str, source: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    # Anything can go wrong in what a user has written.
    except Exception as error:
        raise _failure(source, error) from error


def _failure(source: str, error: Exception) -> UnknownNameError:
    reason = str(error) or "no reason given"
    if not isinstance(error, ImportError | SyntaxError):
        reason = f"{type(error).__name__}: {reason}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    # Where an import fails inside the import system, the lines there help nobody.
    where = (
        ""
        if last.filename.startswith("<") or isinstance(error, SyntaxError)
        else (f" ({Path(last.filename).name}, line {last.lineno})")
    )
    return UnknownNameError(f"{source} cannot be imported: {' '.join(reason.split())}{where}.")


def _imported_from(path: Path) -> ModuleType | None:
    for module in list(sys.modules.values()):
        # Names first: they are compared without looking at the disk.
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and Path(file).name == path.name and _file_of(module) == path:
            return module
    return None


def _file_of(module: ModuleType) -> Path | None:
    file = vars(module).get("__file__")
    return Path(file).resolve() if isinstance(file, str) and Path(file).is_file() else None


def _origin(name: str) -> Path | None:
    """The file of a module's outermost package, `_MISSING` if there is none, None for no file."""
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    # A module that another one put in place by hand has no specification.
    except ValueError:
        return None
    if spec is None:
        return _MISSING
    return Path(spec.origin).resolve() if spec.has_location and spec.origin else None


def _place(path: Path) -> tuple[Path, str]:
    """The folder that has to be on ``sys.path``, and the module's name from there."""
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _unique_name(path: Path) -> str:
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def _extend_path(folder: Path) -> None:
    # At the end: what is installed must not be hidden by a file of the same name.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _installation_folders() -> set[Path]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["purelib"], paths["platlib"], *site.getsitepackages()}
    return {Path(folder).resolve() for folder in folders | {site.getusersitepackages()}}
