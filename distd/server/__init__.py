"""One serving process: what starts, watches, hands over and drains."""
