"""The command `distd`."""
