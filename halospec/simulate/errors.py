"""What cannot be simulated."""

from __future__ import annotations


class CannotSimulate(ValueError):
    """The recording, the scenario and the mode do not go together; the message is one sentence for the user."""
