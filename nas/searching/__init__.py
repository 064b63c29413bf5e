"""The study of a search: its run folder, its workers and what starts them."""
