"""Assignments, their progress and results, and forecasts."""
