"""``python -m halospec_server.tracing``: what a draft model would have said at each place of the target's own texts."""
