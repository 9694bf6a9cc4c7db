"""`python -m cospace` is the `cospace` command."""

from cospace.cli.main import main

main()
