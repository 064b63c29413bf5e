"""Genotype in, quality and costs out."""
