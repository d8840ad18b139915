"""One serving process: what it starts and watches, what it hands over, how it ends."""
