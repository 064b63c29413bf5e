"""Sweeps: one training repeated with other values of some of its settings."""
