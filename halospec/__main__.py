"""``python -m halospec``."""

from halospec.cli import main

main()
