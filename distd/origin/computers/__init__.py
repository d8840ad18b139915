"""Computers, as their agents describe them."""
