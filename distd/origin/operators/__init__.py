"""Operators, who may use the console and the API."""
