"""`python -m passerelle` is the `passerelle` command."""

from passerelle.cli import main

main()
