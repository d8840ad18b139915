"""Groups of computers: who is in them, and what they give their members."""
