"""`python -m goodfit` is `goodfit`."""

from goodfit.cli.main import main

main()
