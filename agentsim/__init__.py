"""The OCS agent, emulated."""
