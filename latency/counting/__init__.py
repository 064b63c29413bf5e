"""Parameters, multiply-accumulates, FLOPs and memory, counted without running a network."""
