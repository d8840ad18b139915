"""Redistribution servers: who they are, what they have, which computers they serve."""
