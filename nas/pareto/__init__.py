"""Exact fronts, hypervolume and the pictures of both.

The modules are imported one by one, because pymoo and matplotlib take time to load:
`candidates` (what is compared), `front`, `hypervolume`, `course` (the best so far), `plot_front`,
`plot_iterations`, `plot_comparison`, `plot_course`, `plot_rungs`, `figures` (saving) and `table`
(CSV).
"""
