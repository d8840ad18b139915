"""Deployments in virtual time: what a deployment will do to the lines, and when it will be through. No I/O."""
