"""One training loop: batches, objective, updates, schedules, checkpoints."""
