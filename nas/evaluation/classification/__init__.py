"""Genotype in, quality and costs out, for classification."""
