"""Work that takes long."""
