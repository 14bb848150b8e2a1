"""Before a run: whether a server is at this URL, where its API is, and which model will answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import anyio
import httpx
from pydantic import ValidationError

from halospec.endpoints.connection import CappedBody, is_json, media_type, open_client
from halospec.endpoints.failures import KEY_SETTINGS, Failures, connection_problem, is_retryable, shown
from halospec.endpoints.retry import RetryPolicy, Sleep, retrying
from halospec.endpoints.types import EndpointError
from halospec.endpoints.wire import ListedModel, ModelList, ModelMeta

# A server that still loads its model answers 503 for some seconds.
PATIENCE = RetryPolicy(tries=5, max_retry_after_s=3.0)
_MODELS_IN_A_SENTENCE = 5


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
    model_meta
        What the bundled server says it has loaded; ``None`` for servers that do not.
    """

    base_url: str
    model: str
    models: tuple[str, ...]
    server_header: str | None = None
    model_meta: ModelMeta | None = None


async def check_server(
    url: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    timeout_s: float = 10.0,
    patience: RetryPolicy = PATIENCE,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = anyio.sleep,
) -> ServerFacts:
    """Find the API behind a URL as a person types it, and the model to measure.

    Parameters
    ----------
    timeout_s
        Limit on each look at a model list.

    Raises
    ------
    PreflightError
        If the URL, the server, the key or the model is not right, with what to do about it.
    """
    start = parse_url(url)
    try:
        client = open_client(start, api_key, transport)
    except ValueError as problem:
        raise PreflightError(f"No request can be made: {shown(str(problem), api_key)}.") from problem
    search = _Search(client, start, api_key, timeout_s)
    async with client:
        try:
            found: _Found = await retrying(patience, sleep)(search.sweep)
        except EndpointError as problem:
            if model is not None and isinstance(problem, _Refusal) and problem.telling is _Telling.NOT_FOUND:
                # Some gateways complete chats and list no models; with the model named, the first request decides.
                return ServerFacts(_likely_base(start), model, ())
            raise PreflightError(problem.reason) from problem
    return _facts(found, model)


def parse_url(url: str) -> str:
    """Return the URL without a trailing slash or ``/chat/completions``.

    Raises
    ------
    PreflightError
        If it cannot be an API's address.
    """
    typed = url.strip()
    name = shown(typed)
    if "://" not in typed:
        raise PreflightError(f"The URL {name!r} does not start with http:// or https://; did you mean http://{name} ?")
    try:
        parsed = httpx.URL(typed)
    except httpx.InvalidURL as problem:
        raise PreflightError(f"The URL {name!r} is malformed: {shown(str(problem)).rstrip('.')}.") from problem
    if parsed.userinfo:
        raise PreflightError(f"The URL holds a user name or a password; give a key with {KEY_SETTINGS} instead.")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise PreflightError(f"The URL {name!r} is not of the form http://host:port/path.")
    if parsed.query or parsed.fragment:
        raise PreflightError(f"The URL {name!r} has a part after '?' or '#'; give the API's base without it.")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise PreflightError(f"The URL {name!r} has a port outside 1 to 65535.")
    bare = str(parsed).rstrip("/")
    for suffix in ("/chat/completions", "/models"):
        bare = bare.removesuffix(suffix).rstrip("/")
    return bare


def candidates(start: str) -> tuple[str, ...]:
    """Return where the API may be: as given, then under ``/v1``, then under ``/api/v1``."""
    if start.endswith("/v1"):
        return (start,)
    if start.endswith("/api"):
        return (start, start + "/v1")
    return (start, start + "/v1", start + "/api/v1")


def _likely_base(start: str) -> str:
    return start if start.endswith("/v1") else f"{start}/v1"


class _Telling(IntEnum):
    """How much a candidate's refusal says about what is wrong; the most telling one is reported."""

    NOT_FOUND = 0
    NOT_THE_API = 1
    STATUS = 2
    NOT_READY = 3
    KEY = 4


class _Refusal(EndpointError):
    def __init__(self, telling: _Telling, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason, retryable=telling is _Telling.NOT_READY, retry_after_s=retry_after_s)
        self.telling = telling


@dataclass(frozen=True)
class _Found:
    base_url: str
    server_header: str | None
    models: tuple[ListedModel, ...]


@dataclass(frozen=True)
class _Search:
    client: httpx.AsyncClient
    start: str
    api_key: str | None
    timeout_s: float

    async def sweep(self) -> _Found:
        """Return the first candidate that lists models, or raise the most telling refusal."""
        refusals = []
        for base_url in candidates(self.start):
            try:
                return await self._look(base_url)
            except _Refusal as refusal:
                refusals.append(refusal)
        raise max(refusals, key=lambda refusal: refusal.telling)

    async def _look(self, base_url: str) -> _Found:
        url = base_url + "/models"
        try:
            with anyio.fail_after(self.timeout_s):
                async with self.client.stream("GET", url, headers={"Accept": "application/json"}) as response:
                    body = await CappedBody(response).read()
        except TimeoutError as fault:
            raise EndpointError(
                f"The server at {self.start} does not answer within {self.timeout_s:g} s; check --url.", retryable=False
            ) from fault
        except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
            raise EndpointError(
                f"No server answers at {self.start}: {connection_problem(fault)}; start one"
                " (for instance with `halospec serve`) or check --url.",
                retryable=False,
            ) from fault
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            error = Failures(url).of_transport(fault, answered=False, content_events=0)
            raise EndpointError(f"{error.reason.removesuffix('.')}; check --url.", retryable=False) from fault
        return self._models(base_url, response, body)

    def _models(self, base_url: str, response: httpx.Response, body: bytes) -> _Found:
        if not response.is_success:
            raise self._refusal(base_url, response, body)
        try:
            listed = ModelList.model_validate_json(body)
        except ValidationError as fault:
            got = "JSON that is no model list" if is_json(media_type(response)) else "something that is not JSON"
            raise _Refusal(_Telling.NOT_THE_API, self._no_api(f"{base_url}/models gave {got}")) from fault
        return _Found(base_url, response.headers.get("server"), tuple(listed.data))

    def _refusal(self, base_url: str, response: httpx.Response, body: bytes) -> _Refusal:
        status = response.status_code
        error = Failures(f"{base_url}/models", self.api_key).of_status(response, body)
        if status in (404, 405):
            looked = ", ".join(f"{base}/models" for base in candidates(self.start))
            return _Refusal(_Telling.NOT_FOUND, self._no_api(f"nothing at {looked}"))
        if status in (401, 403):
            return _Refusal(_Telling.KEY, error.reason)
        if is_retryable(status):
            reason = f"The server at {self.start} is not ready: {error.reason.removesuffix('.')}; try again later."
            return _Refusal(_Telling.NOT_READY, reason, retry_after_s=error.retry_after_s)
        return _Refusal(_Telling.STATUS, error.reason)

    def _no_api(self, evidence: str) -> str:
        return f"{self.start} answers, but not with an OpenAI-compatible API ({evidence}); check --url."


def _facts(found: _Found, model: str | None) -> ServerFacts:
    names = tuple(listed.id for listed in found.models)
    if model is None:
        if not names:
            raise PreflightError(f"The server at {found.base_url} lists no models; load one, or name one with --model.")
        model = names[0]
    elif names and model not in names:
        some = ", ".join(shown(name) for name in names[:_MODELS_IN_A_SENTENCE])
        more = f" and {len(names) - _MODELS_IN_A_SENTENCE} more" if len(names) > _MODELS_IN_A_SENTENCE else ""
        raise PreflightError(f"The server at {found.base_url} has no model {shown(model)!r}; it lists {some}{more}.")
    meta = next((listed.meta for listed in found.models if listed.id == model), None)
    says_what_is_loaded = meta is not None and meta.target is not None
    return ServerFacts(found.base_url, model, names, found.server_header, meta if says_what_is_loaded else None)
