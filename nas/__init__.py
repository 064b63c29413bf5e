"""Neural architecture search with distillation, from images to the Pareto front."""
