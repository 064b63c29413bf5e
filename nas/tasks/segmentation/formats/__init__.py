"""The formats in which the classes of pixels are stored, a module each behind `mask.MaskFormat`."""
