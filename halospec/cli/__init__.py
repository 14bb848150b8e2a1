"""The command line: parse, call, print."""

from halospec.cli import aliases, compare, demo, plan, probe, reports, run, schema, serve, tune, validate
from halospec.cli.application import app, main

__all__ = ["app", "main"]

# Importing a command's module is what adds it; the help lists them in this order.
_COMMANDS = (probe, plan, run, tune, demo, serve, reports, compare, validate, schema, aliases)
