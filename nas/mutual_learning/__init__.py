"""Mutual learning of network halves: several networks that learn from each other and cross."""
