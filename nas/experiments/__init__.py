"""Trainings without a search: networks trained, distilled and evaluated over several seeds."""
