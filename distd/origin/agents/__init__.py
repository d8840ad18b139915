"""What the server answers to agents."""
