"""Very many emulated agents against a real server."""
