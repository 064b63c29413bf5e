"""Latency, energy and GPU memory, measured on a device."""
