"""The JSON API: a route of each operation (`operations.py`), and those that are more than a call."""
