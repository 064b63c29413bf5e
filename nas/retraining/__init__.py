"""From a candidate of a search to a network that can be shipped."""
