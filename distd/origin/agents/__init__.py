"""What the server replies to agents."""
