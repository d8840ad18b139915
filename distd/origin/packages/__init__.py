"""Packages: published, activated, edited, withdrawn, deleted."""
