"""Trained networks on their way to a device: files, ONNX, int8, measured costs."""
