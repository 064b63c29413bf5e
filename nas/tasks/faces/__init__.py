"""Drawn faces with 11 classes, as in HELEN (Smith et al., CVPR 2013)."""
