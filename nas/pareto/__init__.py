"""Exact fronts, hypervolume and the pictures of both.

The modules are imported one by one, because pymoo and matplotlib take time to load:
`candidates` (what is compared), `front`, `hypervolume`, `plot_front`, `plot_iterations`,
`plot_comparison`, `figures` (saving) and `table` (CSV).
"""
