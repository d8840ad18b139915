"""Files: the data directory and what is in it, each change atomic."""
