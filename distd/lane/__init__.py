"""The data plane: bytes in and out at full speed."""
