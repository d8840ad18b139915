"""The command `distd`: composition roots, and nothing else."""
