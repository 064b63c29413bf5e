"""Networks for images of 8 to 64 pixels, by the names that their papers and tables use."""

from nas.models.small_images.registry import canonical_name, create, names
from nas.models.small_images.staged import StagedNetwork

__all__ = ["StagedNetwork", "canonical_name", "create", "names"]
