"""`python -m distd.cli`: what the supervisor starts its workers with."""

from distd.cli.main import main

main()
