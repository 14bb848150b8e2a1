"""The values that pass between whoever wants aliases and the files about each kind of server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Tell = Callable[[str], None]
"""Takes a few words on what is being done, for a person who waits."""


def tell_nobody(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class AliasServer:
    """Which model of which server is to have aliases.

    Attributes
    ----------
    kind
        The server kind's name (halospec.endpoints.server_kind).
    """

    kind: str
    base_url: str
    model: str


@dataclass(frozen=True)
class Patience:
    """How long a server may take.

    Attributes
    ----------
    undo_s
        Limit on all that has to be undone after a failure or an interruption.
    poll_s
        Pause between two looks at a model that is being loaded or unloaded.
    """

    load_s: float = 600.0
    unload_s: float = 60.0
    undo_s: float = 300.0
    poll_s: float = 0.2


@dataclass(frozen=True)
class AliasesCreated:
    """The aliases that there are now.

    Attributes
    ----------
    names
        The model to ask for, by draft length.
    template
        The same with ``{k}`` for the draft length, for the knob ``alias:TEMPLATE``.
    loaded
        Whether all of them are in memory.
    to_paste
        Where nothing was changed, since no preset file was named: the sections to put into it.
    notes
        Sentences for the user.
    """

    model: str
    names: Mapping[int, str]
    template: str
    loaded: bool
    to_paste: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AliasesRemoved:
    """What was undone.

    Attributes
    ----------
    removed
        The aliases that are gone now; empty where nothing was known of any.
    left
        Those that could not be removed safely; ``notes`` says what to do about them.
    """

    model: str
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
