"""The command line: parse, call, print."""

from halospec.cli import (
    aliases,
    compare,
    demo,
    doctor,
    explain,
    modes,
    plan,
    probe,
    record_traces,
    reports,
    run,
    schema,
    serve,
    simulate,
    tune,
    validate,
)
from halospec.cli.application import app, main

__all__ = ["app", "main"]

# Importing a command's module is what adds it; the help lists them in this order.
_COMMANDS = (
    *(doctor, probe, modes, plan, run, tune, demo, serve),
    *(reports, explain, compare, validate, record_traces, simulate, schema, aliases),
)
