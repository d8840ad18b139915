"""The pure core: no I/O, no clock, no trio, no logging. Time and randomness come in as arguments."""
