"""`python -m redistrib`."""

from redistrib.cli import main

main()
