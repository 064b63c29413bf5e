"""Takes a look at a folder and describes the task that it holds."""
