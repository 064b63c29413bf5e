"""Trackers: where users look at searches and trainings, chosen by name.

A tracker of one's own is a subclass of `Tracker`. The decorator `register` makes it known by its
name; without that, it is known by its import path, ``package.module:Name`` or
``path/to/file.py:Name``.
"""

from nas.tracking.registry import address, names, register
from nas.tracking.tracker import Tracked, Tracker

__all__ = ["Tracked", "Tracker", "address", "names", "register"]
