"""``python -m halospec``."""

from halospec.entry import main

main()
