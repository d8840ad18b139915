"""What an attacker sends, for `make attack`: a table of attacks, each run by a process of its own."""
