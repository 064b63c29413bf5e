"""Tables and pictures from the studies of one or several runs."""
