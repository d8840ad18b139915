"""The bytes of the protocols, both ways: no I/O, no clock."""
