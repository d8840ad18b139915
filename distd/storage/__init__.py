"""Files: the data directory and what lies in it, each change atomic."""
