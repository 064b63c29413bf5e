"""Folders of the user: the cache, and private ones that nobody else can write.

What is kept here can always be made again, so no program depends on it: where the user has no home,
or it is read-only or full, a temporary folder takes its place.
"""

from user_folders.cache import cache_folder, private_folder
from user_folders.private import make_private, open_own, temporary_folder

__all__ = ["cache_folder", "make_private", "open_own", "private_folder", "temporary_folder"]
