"""redistrib: redistribution servers that mirror package directories by events."""
