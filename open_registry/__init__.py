"""Registries that are open to what a user defines: by a decorator, or by an import path.

A part that is chosen by name has a `Registry`. What the package brings is declared there by its
import path and imported when it is first asked for; what a user adds is registered where it is
defined, or named as ``package.module:Name`` or ``path/to/file.py:Name``.
"""

from open_registry.errors import UnknownNameError
from open_registry.importing import load_modules
from open_registry.registry import Registry

__all__ = ["Registry", "UnknownNameError", "load_modules"]
