"""What deployment is, as values and rules. No I/O, no clock, no logging: time and randomness are arguments."""
