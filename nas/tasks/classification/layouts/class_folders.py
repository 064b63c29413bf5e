"""A folder for each class, and no folders for splits; it is used where a task.yaml names it."""

from __future__ import annotations

from pathlib import Path

from nas.errors import UserError
from nas.tasks.classification.layouts.found import Found
from nas.tasks.classification.layouts.image_folder import found_in
from nas.tasks.classification.settings import ClassificationSettings
from nas.tasks.listing import is_entered


def recognised(root: Path) -> bool:
    """False: folders alone are too little to be taken for a data set."""
    return False


def find(root: Path, settings: ClassificationSettings) -> Found:
    """Lists `CLASS/*`; validation and test are held out.

    Raises:
        UserError: If there is no folder.
    """
    if not any(path.is_dir() and is_entered(path) for path in root.iterdir()):
        raise UserError(f"{root}: no folder of a class in it; correct root, or give --data.")
    return found_in({"train": root}, root, settings)
