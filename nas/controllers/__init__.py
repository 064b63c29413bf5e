"""Optuna samplers that decide which candidate to try next."""

from __future__ import annotations

from nas.controllers.registry import create, names, resolve

__all__ = ["create", "names", "resolve"]
