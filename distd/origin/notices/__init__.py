"""Notices: conditions that somebody should know of, and how they are told."""
