"""The Python interface: searches, trainings and their results as objects.

The command line is one user of it, a notebook another. Everything runs in the calling process
unless several workers are asked for. `nas` itself offers the public names.
"""
