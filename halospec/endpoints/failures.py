"""Why a request came to nothing, each reason as one sentence that can stand in a record and on a screen."""

from __future__ import annotations

import json
import socket
import ssl
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from pydantic import JsonValue
from pydantic_core import from_json

from halospec.endpoints.types import EndpointError

MAX_QUOTED_CHARS = 200
KEY_SETTINGS = "--api-key or HALOSPEC_API_KEY"
_RETRYABLE_CLIENT_STATUSES = (408, 429)


def shown(text: str, secret: str | None = None) -> str:
    """Return a server's text fit for a sentence: one line, no control characters, no key, at most 200 characters."""
    if secret:
        text = text.replace(secret, "***")
    # A megabyte of HTML needs no cleaning: what is cut off anyway is cut off first.
    kept = (" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 8 * MAX_QUOTED_CHARS])
    line = " ".join("".join(kept).split())
    return line if len(line) <= MAX_QUOTED_CHARS else line[: MAX_QUOTED_CHARS - 1] + "…"


def error_text(error: JsonValue) -> str:
    """Return the words of an ``error`` (or FastAPI's ``detail``), which servers send as a string or as an object."""
    if isinstance(error, str):
        return error
    if isinstance(error, dict):
        for name in ("message", "detail", "error", "type"):
            if error.get(name):
                return error_text(error[name])
    return json.dumps(error)


def parse_error(body: bytes) -> JsonValue:
    """Return what a body says went wrong: its ``error``, else all of its JSON, else its text."""
    try:
        value: JsonValue = from_json(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    return (value.get("error") if isinstance(value, dict) else None) or value


def events(count: int) -> str:
    """Return how much of a reply came, in words."""
    return f"{count} content event" if count == 1 else f"{count} content events"


def is_retryable(status: int) -> bool:
    """Tell whether the same request may succeed later."""
    return status >= 500 or status in _RETRYABLE_CLIENT_STATUSES


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Return how long ``Retry-After`` asks to wait; a date counts from the server's own ``Date`` if there is one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def connection_problem(fault: BaseException, secret: str | None = None) -> str:
    """Return the root of a failed connection in a few words, whatever layers wrapped it."""
    tls = _tls_failure(fault)
    if tls is not None:
        # Only those that OpenSSL itself raised have these attributes.
        reason = getattr(tls, "verify_message", None) or getattr(tls, "reason", None) or str(tls)
        return f"TLS error, {shown(reason.replace('_', ' ').lower(), secret)}"
    causes = list(_causes(fault))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return "the host name cannot be resolved"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError):
            return shown(cause.strerror, secret).lower()
    return shown(str(fault), secret).rstrip(".") or type(fault).__name__


def _tls_failure(fault: BaseException) -> ssl.SSLError | None:
    """Return what TLS itself failed of; that it waits for bytes when a connection is lost is no failure of TLS."""
    waiting = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
    return next((c for c in _causes(fault) if isinstance(c, ssl.SSLError) and not isinstance(c, waiting)), None)


def tls_advice(fault: BaseException) -> str | None:
    """Return what to do about a connection on which a server answered and TLS failed; None where it is not that."""
    if not _is_final(fault):
        return None
    if isinstance(_tls_failure(fault), ssl.SSLCertVerificationError):
        return "name a certificate to trust with --ca-bundle, or do without a check with --insecure"
    return "check that it speaks TLS (if not, give http://) and whether it wants a certificate of yours (--client-cert)"


def _is_final(fault: BaseException) -> bool:
    """Tell whether a failed connection will fail again: over certificates and protocols, not over an early end."""
    tls = _tls_failure(fault)
    return tls is not None and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all behind it, members of exception groups included."""
    waiting, seen = [fault], set[int]()
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__context__, cause.__cause__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions


@dataclass(frozen=True)
class Failures:
    """The sentences about one address; the key is known here so that no sentence can hold it."""

    url: str
    api_key: str | None = field(default=None, repr=False)

    def quoted(self, text: str) -> str:
        """Return what the server said, in quotes."""
        words = shown(text, self.api_key)
        return f'"{words}"' if words else "(no message)"

    def of_status(self, response: httpx.Response, body: bytes) -> EndpointError:
        """Return the error for a status other than 2xx."""
        status = response.status_code
        text = error_text(parse_error(body))
        # A page of HTML has no words that help.
        said = self.quoted(response.reason_phrase if text.lstrip().startswith("<") else text)
        start = f"HTTP {status} from {self.url}"
        if status in (401, 403):
            problem = "refuses this API key; give another" if self.api_key else "wants an API key; give it"
            reason = f"{start} ({said}): the server {problem} with {KEY_SETTINGS}."
        elif status == 404:
            reason = f"{start}: {said}; check the URL and the model's name."
        elif response.has_redirect_location:
            target = shown(response.headers["location"], self.api_key)
            reason = f"{start}: it redirects to {target}; give that address instead."
        else:
            reason = f"{start}: {said}."
        return EndpointError(
            reason, retryable=is_retryable(status), retry_after_s=retry_after_s(response.headers), status=status
        )

    def of_error_object(self, error: JsonValue) -> EndpointError:
        """Return the error for ``{"error": …}`` that came with status 200."""
        codes = [error.get("status_code"), error.get("code")] if isinstance(error, dict) else []
        status = next((code for code in codes if isinstance(code, int) and 400 <= code < 600), 500)
        advice = f"; see to {KEY_SETTINGS}" if status in (401, 403) else ""
        return EndpointError(
            f"The server broke off with an error: {self.quoted(error_text(error))}{advice}.",
            retryable=is_retryable(status),
            status=status,
        )

    def of_transport(self, fault: Exception, *, answered: bool, content_events: int) -> EndpointError:
        """Return the error for a connection that could not be made, or was lost."""
        problem = connection_problem(fault, self.api_key)
        if isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout):
            return EndpointError(f"No server answers at {self.url}: {problem}.", retryable=not _is_final(fault))
        if isinstance(fault, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL):
            return EndpointError(f"No request can be sent to {self.url}: {problem}.", retryable=False)
        if answered:
            return EndpointError(f"The reply was cut after {events(content_events)}: {problem}.", retryable=True)
        reason = f"The server at {self.url} gave no HTTP answer: {problem}."
        return EndpointError(reason, retryable=not _is_final(fault))

    def of_timeout(self, timeout_s: float, *, answered: bool, content_events: int) -> EndpointError:
        """Return the error for an attempt that took longer than its limit."""
        if answered:
            reason = f"Timed out: the reply was not complete after {timeout_s:g} s ({events(content_events)})."
        else:
            reason = f"Timed out: no answer from {self.url} within {timeout_s:g} s."
        return EndpointError(reason, retryable=True)
