"""What ends a probe."""

from __future__ import annotations


class ProbeError(Exception):
    """A probe that cannot go on; the message is one sentence for the user."""
