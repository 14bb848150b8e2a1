"""From an address as a person types it to the base of the API behind it, and the models listed there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import anyio
import httpx
from pydantic import ValidationError

from halospec.endpoints.connection import CappedBody, is_json, media_type
from halospec.endpoints.failures import KEY_SETTINGS, Failures, connection_problem, is_retryable, shown, tls_advice
from halospec.endpoints.types import EndpointError
from halospec.endpoints.wire import ListedModel, ModelList


def parse_url(url: str) -> str:
    """Return the URL without a trailing slash or ``/chat/completions``.

    Raises
    ------
    ValueError
        If it cannot be an API's address; the message is one sentence.
    """
    typed = url.strip()
    name = shown(typed)
    if "://" not in typed:
        raise ValueError(f"The URL {name!r} does not start with http:// or https://; did you mean http://{name} ?")
    try:
        parsed = httpx.URL(typed)
    except httpx.InvalidURL as problem:
        raise ValueError(f"The URL {name!r} is malformed: {shown(str(problem)).rstrip('.')}.") from problem
    if parsed.userinfo:
        raise ValueError(f"The URL holds a user name or a password; give a key with {KEY_SETTINGS} instead.")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"The URL {name!r} is not of the form http://host:port/path.")
    if parsed.query or parsed.fragment:
        raise ValueError(f"The URL {name!r} has a part after '?' or '#'; give the API's base without it.")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise ValueError(f"The URL {name!r} has a port outside 1 to 65535.")
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


def likely_base(start: str) -> str:
    """Return where the API is if nothing lists models."""
    return start if start.endswith("/v1") else f"{start}/v1"


class Telling(IntEnum):
    """How much a candidate's refusal says about what is wrong; the most telling one is reported."""

    NOT_FOUND = 0
    NOT_THE_API = 1
    STATUS = 2
    NOT_READY = 3
    KEY = 4


class Refusal(EndpointError):
    """Something answers there, but not with a model list."""

    def __init__(self, telling: Telling, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason, retryable=telling is Telling.NOT_READY, retry_after_s=retry_after_s)
        self.telling = telling


class NobodyThere(EndpointError):
    """No server listens at the address."""


@dataclass(frozen=True)
class FoundApi:
    """An API that lists its models."""

    base_url: str
    server_header: str | None
    models: tuple[ListedModel, ...]


@dataclass(frozen=True)
class BaseUrlSearch:
    """Looks for the API's base, which people give with or without its ``/v1``.

    Parameters
    ----------
    timeout_s
        Limit on each look at a model list.
    """

    client: httpx.AsyncClient
    start: str
    api_key: str | None
    timeout_s: float

    async def sweep(self) -> FoundApi:
        """Return the first candidate that lists models.

        Raises
        ------
        Refusal
            The most telling one, if none does.
        EndpointError
            If no HTTP answer comes from there; `NobodyThere` if no connection is taken.
        """
        refusals = []
        for base_url in candidates(self.start):
            try:
                return await self._look(base_url)
            except Refusal as refusal:
                refusals.append(refusal)
        raise max(refusals, key=lambda refusal: refusal.telling)

    async def _look(self, base_url: str) -> FoundApi:
        url = base_url + "/models"
        try:
            with anyio.fail_after(self.timeout_s):
                async with self.client.stream("GET", url, headers={"Accept": "application/json"}) as response:
                    body = await CappedBody(response).read()
        except TimeoutError as fault:
            raise EndpointError(
                f"The server at {self.start} does not answer within {self.timeout_s:g} s; check the URL.",
                retryable=False,
            ) from fault
        except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
            raise self._no_connection(fault) from fault
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            error = Failures(url, self.api_key).of_transport(fault, answered=False, content_events=0)
            raise EndpointError(f"{error.reason.removesuffix('.')}; check the URL.", retryable=False) from fault
        return self._models(base_url, response, body)

    def _no_connection(self, fault: Exception) -> EndpointError:
        problem, advice = connection_problem(fault, self.api_key), tls_advice(fault)
        if advice is not None:
            return EndpointError(f"No request can be sent to {self.start}: {problem}; {advice}.", retryable=False)
        return NobodyThere(
            f"No server answers at {self.start}: {problem}; start one (for instance with `halospec serve`) or check"
            " the URL.",
            retryable=False,
        )

    def _models(self, base_url: str, response: httpx.Response, body: bytes) -> FoundApi:
        if not response.is_success:
            raise self._refusal(base_url, response, body)
        try:
            listed = ModelList.model_validate_json(body)
        except ValidationError as fault:
            got = "JSON that is no model list" if is_json(media_type(response)) else "something that is not JSON"
            raise Refusal(Telling.NOT_THE_API, self._no_api(f"{base_url}/models gave {got}")) from fault
        return FoundApi(base_url, response.headers.get("server"), tuple(listed.data))

    def _refusal(self, base_url: str, response: httpx.Response, body: bytes) -> Refusal:
        status = response.status_code
        error = Failures(f"{base_url}/models", self.api_key).of_status(response, body)
        if status in (404, 405):
            looked = ", ".join(f"{base}/models" for base in candidates(self.start))
            return Refusal(Telling.NOT_FOUND, self._no_api(f"nothing at {looked}"))
        if status in (401, 403):
            return Refusal(Telling.KEY, error.reason)
        if is_retryable(status):
            reason = f"The server at {self.start} is not ready: {error.reason.removesuffix('.')}; try again later."
            return Refusal(Telling.NOT_READY, reason, retry_after_s=error.retry_after_s)
        return Refusal(Telling.STATUS, error.reason)

    def _no_api(self, evidence: str) -> str:
        return f"{self.start} answers, but not with an OpenAI-compatible API ({evidence}); check the URL."
