"""`python -m press3` is `press3`."""

from press3.cli import main

main(prog_name="press3")
