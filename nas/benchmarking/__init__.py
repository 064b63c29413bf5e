"""Searches that are played on a table, again and again, to compare controllers."""
