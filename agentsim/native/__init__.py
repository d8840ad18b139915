"""distd's own agent."""
