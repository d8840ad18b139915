"""`python -m distd.cli`: how the supervisor starts its workers."""

from distd.cli.main import main

main()
