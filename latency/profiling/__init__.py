"""Where the time of a network goes, layer by layer."""
