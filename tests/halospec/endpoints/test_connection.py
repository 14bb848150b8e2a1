"""Which hosts are this machine, and how much of a body is read."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.connection import CappedBody, is_json, is_loopback, media_type
from halospec.endpoints.types import EndpointError


@pytest.mark.parametrize("host", ["localhost", "llm.localhost", "127.0.0.1", "127.8.9.1", "::1", "0.0.0.0"])
def test_loopback_hosts(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.2", "example.org", "localhost.example.org", "::2", ""])
def test_other_hosts(host):
    assert not is_loopback(host)


async def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_not():
    assert await CappedBody(httpx.Response(200, content=b"12345"), limit_bytes=5).read() == b"12345"
    with pytest.raises(EndpointError, match="larger than 4 bytes"):
        await CappedBody(httpx.Response(200, content=b"12345"), limit_bytes=4).read()


async def test_a_body_is_kept_only_if_asked():
    kept = CappedBody(httpx.Response(200, content=b"12345"), keep=True)
    plain = CappedBody(httpx.Response(200, content=b"12345"))
    await kept.read()
    await plain.read()

    assert (kept.kept, plain.kept) == (b"12345", b"")


def test_content_types_are_compared_without_parameters_and_case():
    typed = httpx.Response(200, headers={"content-type": "Application/JSON; charset=utf-8"})

    assert media_type(typed) == "application/json"
    assert media_type(httpx.Response(200)) == ""
    assert is_json("application/problem+json")
    assert not is_json("text/event-stream")
