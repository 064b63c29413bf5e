"""Devices: their names, what identifies them, and what the system says of them."""
