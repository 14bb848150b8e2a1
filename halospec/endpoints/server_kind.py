"""What the files about one kind of server each give: how it is recognised, spoken to and asked about speculation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.wire import ListedModel


@dataclass(frozen=True)
class Recognition:
    """Why a server was taken for this kind.

    Attributes
    ----------
    evidence
        What it answered, in a few words, such as ``/props names build b11434``.
    version, product
        As far as it says; ``product`` is a name such as vLLM where the kind stands for several.
    dialect
        The product's, where it is known to understand more than the kind's.
    """

    evidence: str
    version: str | None = None
    product: str | None = None
    dialect: Dialect | None = None


@dataclass(frozen=True)
class SpeculationFacts:
    """What a server says of its own speculation, before anything is measured. ``None``: it does not say.

    Attributes
    ----------
    configured
        Whether it would draft at all for this model.
    says
        The same in words with its source, such as ``/slots: speculative is false``; empty if it says nothing.
    draft_length
        The k it was started with.
    is_router
        Whether it is llama-server's router, which serves several models at once by name, so that one alias a draft
        length can be kept.
    can_reload
        Whether its API can load the model again with other arguments, as Lemonade's can, which keeps aliases as well.
    known_fields
        All fields that its chat requests have, where it publishes a complete list and drops the others; ``None``
        where that is not known.
    """

    configured: bool | None = None
    says: str = ""
    draft_length: int | None = None
    is_router: bool = False
    can_reload: bool = False
    known_fields: frozenset[str] | None = None


class ServerKind(Protocol):
    """One kind of server. Implementations hold no state; there is one instance of each."""

    @property
    def name(self) -> str:
        """Return the name for ``--server``, such as ``llama_server``."""
        ...

    @property
    def title(self) -> str:
        """Return the name that its makers use."""
        ...

    @property
    def default_urls(self) -> tuple[str, ...]:
        """Return where it listens unless told otherwise, likeliest first; empty if there is no such place."""
        ...

    @property
    def dialect(self) -> Dialect:
        """Return how to spell requests for it."""
        ...

    @property
    def request_fields(self) -> tuple[str, ...]:
        """Return the spellings of the request fields that may carry k there, likeliest first (halospec.knobs)."""
        ...

    @property
    def advice(self) -> str:
        """Return one or two sentences: how speculation is switched on there, and which knob works."""
        ...

    async def recognise(self, api: ServerApi, models: tuple[ListedModel, ...]) -> Recognition | None:
        """Return why this server is of this kind; None if it is not. Never raises for a server that answers oddly.

        Raises
        ------
        KeyRefused
            If it certainly is of this kind and wants a key, or another one.
        """
        ...

    async def loaded_model(self, api: ServerApi, models: tuple[ListedModel, ...]) -> str | None:  # noqa: ARG002
        """Return the listed model that is in memory, where a server lists others too and says so; otherwise None."""
        return None

    async def speculation(self, api: ServerApi, model: str) -> SpeculationFacts:
        """Ask the server what it says of its speculation. Never raises for a server that answers oddly.

        Raises
        ------
        KeyRefused
            If the server wants a key for that, or another one.
        """
        ...
