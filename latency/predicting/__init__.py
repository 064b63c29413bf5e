"""Predicts latencies from the times of operators, calibrated on a few measured networks."""
