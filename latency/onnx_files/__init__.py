"""ONNX files: what they say of their networks, and sessions that run them."""
