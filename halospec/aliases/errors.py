"""What goes wrong with aliases."""

from __future__ import annotations


class AliasError(Exception):
    """Aliases that could not be created or removed; the message is one sentence for the user."""
