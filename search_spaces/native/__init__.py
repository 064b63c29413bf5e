"""Small native kernels for what PyTorch computes slowly on a CPU."""
