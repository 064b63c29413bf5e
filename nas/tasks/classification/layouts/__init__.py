"""How the files of a data set tell the classes."""
