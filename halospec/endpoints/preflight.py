"""Before anything is measured: whether a server is there, what it is, and which of its models will answer."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import httpx

from halospec.endpoints.api import KeyRefused, ServerApi, root_of
from halospec.endpoints.base_url import BaseUrlSearch, FoundApi, NobodyThere, Refusal, Telling, likely_base, parse_url
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.detection import AUTO, SERVER_KINDS, Detected, detect, require_server_kind, server_kind_named
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.failures import shown
from halospec.endpoints.retry import RetryPolicy, Sleep, retrying
from halospec.endpoints.server_kind import Recognition, ServerKind, SpeculationFacts
from halospec.endpoints.types import EndpointError
from halospec.endpoints.wire import ListedModel, ModelMeta

# A server that still loads its model answers 503 for some seconds.
PATIENCE = RetryPolicy(tries=5, max_retry_after_s=3.0)
_MODELS_IN_A_SENTENCE = 5
_PLAIN = ConnectionSettings()


class PreflightError(Exception):
    """A run cannot start; the message is one sentence for the user."""


@dataclass(frozen=True)
class ServerFacts:
    """What was found.

    Attributes
    ----------
    base_url
        The API's base, without a trailing slash.
    model
        The model that will be asked for.
    models
        All that the server lists.
    kind, recognition
        What kind of server it is, and why it was taken for that.
    speculation
        What it says of its speculation, for this model.
    model_meta
        What the bundled server says it has loaded; ``None`` for servers that do not.
    """

    base_url: str
    model: str
    models: tuple[str, ...]
    kind: ServerKind
    recognition: Recognition
    speculation: SpeculationFacts
    server_header: str | None = None
    model_meta: ModelMeta | None = None

    @property
    def api_root(self) -> str:
        """Where the server's own pages are, such as ``/metrics``."""
        return root_of(self.base_url)

    @property
    def dialect(self) -> Dialect:
        """How to spell requests: the product's way where that is known, else the kind's."""
        return self.recognition.dialect or self.kind.dialect


async def check_server(
    url: str | None,
    *,
    model: str | None = None,
    connection: ConnectionSettings = _PLAIN,
    server: str = AUTO,
    timeout_s: float = 10.0,
    patience: RetryPolicy = PATIENCE,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = anyio.sleep,
) -> ServerFacts:
    """Find the API behind a URL as a person types it, what kind of server it is, and the model to measure.

    Parameters
    ----------
    url
        None: where servers of this kind listen unless told otherwise; the first that answers.
    server
        A kind's name, or ``auto`` to ask the server.
    timeout_s
        Limit on each question.

    Raises
    ------
    PreflightError
        If the URL, the server, the key or the model is not right, with what to do about it.
    """
    try:
        require_server_kind(server)
    except ValueError as problem:
        raise PreflightError(f"With --server: {problem}.") from problem
    try:
        starts = usual_urls(server) if url is None else (parse_url(url),)
    except ValueError as problem:
        raise PreflightError(str(problem)) from problem
    if url is None and server == AUTO and connection.api_key:
        # Whoever listens on one of the usual ports would be handed it.
        raise PreflightError(
            "An API key is sent to a server that is named only; give its URL, or its kind with --server."
        )
    check = _Check(model, connection, server, timeout_s, patience, transport, sleep)
    try:
        return await (check.at_the_first_of(starts) if url is None else check.at(starts[0], may_list_nothing=True))
    except EndpointError as problem:
        raise PreflightError(problem.reason) from problem


def usual_urls(server: str) -> tuple[str, ...]:
    """Return where a kind of server listens unless told otherwise, or all known kinds for ``auto``.

    Raises
    ------
    ValueError
        If there is no such kind, or no such place.
    """
    kinds = SERVER_KINDS.values() if server == AUTO else (server_kind_named(server),)
    urls = tuple(dict.fromkeys(url for kind in kinds for url in kind.default_urls))
    if not urls:
        raise ValueError(f"A server of the kind {server} has no usual address; give its URL.")
    return urls


@dataclass(frozen=True)
class _Check:
    model: str | None
    connection: ConnectionSettings
    server: str
    timeout_s: float
    patience: RetryPolicy
    transport: httpx.AsyncBaseTransport | None
    sleep: Sleep

    async def at_the_first_of(self, starts: tuple[str, ...]) -> ServerFacts:
        """Return what is found at the first address where a server of this kind may be."""
        other = None
        for start in starts:
            try:
                return await self.at(start)
            except NobodyThere:
                continue
            except KeyRefused:
                raise
            except EndpointError as problem:
                if isinstance(problem, Refusal) and problem.telling in (Telling.KEY, Telling.NOT_READY):
                    raise
                # Ports such as 8080 are everybody's: what is no API there need not be what was meant.
                other = other or problem
        seen = f" ({other.reason.partition(';')[0]})" if other else ""
        raise PreflightError(
            f"No server answers at {_listed(starts, len(starts))}{seen}; start one (for instance with `halospec serve`)"
            " or give its URL."
        )

    async def at(self, start: str, *, may_list_nothing: bool = False) -> ServerFacts:
        """Return what is found at one address.

        Some gateways complete chats and list no models: with the model named, the first request then decides.
        """
        try:
            client = open_client(start, self.connection, self.transport)
        except ValueError as problem:
            reason = shown(str(problem), self.connection.api_key)
            raise PreflightError(f"No request can be made: {reason}.") from problem
        search = BaseUrlSearch(client, start, self.connection.api_key, self.timeout_s)
        async with client:
            try:
                found: FoundApi = await retrying(self.patience, self.sleep)(search.sweep)
            except Refusal as refusal:
                if self.model is None or not may_list_nothing or refusal.telling is not Telling.NOT_FOUND:
                    raise
                found = FoundApi(likely_base(start), None, ())
            return await self._described(client, found)

    async def _described(self, client: httpx.AsyncClient, found: FoundApi) -> ServerFacts:
        api = ServerApi(client, found.base_url, api_key=self.connection.api_key, timeout_s=self.timeout_s)
        detected = await detect(api, found.models, self.server)
        model = await self._chosen(api, found, detected)
        meta = next((listed.meta for listed in found.models if listed.id == model), None)
        says_what_is_loaded = meta is not None and meta.target is not None
        return ServerFacts(
            base_url=found.base_url,
            model=model,
            models=tuple(listed.id for listed in found.models),
            kind=detected.kind,
            recognition=detected.recognition,
            speculation=await detected.kind.speculation(api, model),
            server_header=found.server_header,
            model_meta=meta if says_what_is_loaded else None,
        )

    async def _chosen(self, api: ServerApi, found: FoundApi, detected: Detected) -> str:
        if self.model is not None:
            _require_listed(self.model, found)
            return self.model
        if not found.models:
            raise PreflightError(f"The server at {found.base_url} lists no models; load one, or name one with --model.")
        return await detected.kind.loaded_model(api, found.models) or found.models[0].id


def _require_listed(model: str, found: FoundApi) -> None:
    if not found.models or any(model in _names_of(listed) for listed in found.models):
        return
    names = _listed(tuple(listed.id for listed in found.models), _MODELS_IN_A_SENTENCE)
    raise PreflightError(f"The server at {found.base_url} has no model {shown(model)!r}; it lists {names}.")


def _names_of(listed: ListedModel) -> tuple[str, ...]:
    """Return the names by which a model can be asked for; Lemonade lists a user's ``user.NAME`` as ``NAME``."""
    users = (f"user.{listed.id}",) if listed.owned_by == "lemonade" else ()
    return (listed.id, *(listed.aliases or ()), *users)


def _listed(names: tuple[str, ...], most: int) -> str:
    some = ", ".join(shown(name) for name in names[:most])
    return f"{some} and {len(names) - most} more" if len(names) > most else some
