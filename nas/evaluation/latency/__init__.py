"""Latencies of candidates, predicted without running them."""
