"""A request and its response, read as bytes with their times and understood afterwards."""

from __future__ import annotations

import pytest

from engine_peers.exchange import ExchangeFault, Response, post
from scripted_server import CHUNKED, chunk, scripted_server


async def exchange(*pieces: bytes) -> Response:
    """Send a request that is answered with these pieces."""
    faults: list[ExchangeFault] = []
    async with scripted_server(lambda _: pieces) as port:
        # Past the end of the block it would be one of a group.
        try:
            return await post(port, "/path", b"{}")
        except ExchangeFault as fault:
            faults.append(fault)
    raise faults[0]


def body_of(response: Response) -> bytes:
    return b"".join(piece.data for piece in response.body)


async def test_the_body_comes_with_the_times_of_its_pieces() -> None:
    response = await exchange(CHUNKED, chunk(b"one "), chunk(b"two"), chunk(b""))
    assert (response.status, body_of(response)) == (200, b"one two")
    times = [response.sent_ns, *(piece.at_ns for piece in response.body)]
    assert times == sorted(times)
    assert response.ended_ns == times[-1]


async def test_chunks_need_not_come_in_pieces_of_their_own() -> None:
    whole = CHUNKED + chunk(b"one ") + chunk(b"two") + chunk(b"")
    assert body_of(await exchange(whole[:70], whole[70:])) == b"one two"


async def test_a_refusal_has_its_status_and_its_words() -> None:
    response = await exchange(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nbusy")
    assert (response.status, body_of(response)) == (429, b"busy")


async def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    assert body_of(await exchange(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"all of it")) == b"all of it"


async def test_the_request_is_one_that_a_server_can_close_after() -> None:
    seen: list[bytes] = []

    def script(request: bytes) -> tuple[bytes, ...]:
        seen.append(request)
        return CHUNKED, chunk(b"")

    async with scripted_server(script) as port:
        await post(port, "/path", b'{"a": 1}')
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /path HTTP/1.1\r\n")
    assert b"\r\nConnection: close" in head
    assert b"\r\nContent-Length: 8" in head
    assert body == b'{"a": 1}'


class TestFault:
    async def test_a_response_that_breaks_off_is_one_sentence(self) -> None:
        with pytest.raises(ExchangeFault, match=r"^the response broke off: "):
            await exchange(CHUNKED, chunk(b"one "))

    async def test_a_server_that_says_nothing_is_one_sentence(self) -> None:
        with pytest.raises(ExchangeFault, match=r"^the response broke off: "):
            await exchange()

    async def test_no_server_is_one_sentence(self) -> None:
        async with scripted_server(lambda _: ()) as port:
            pass
        with pytest.raises(ExchangeFault, match=f"^the connection to port {port} failed: "):
            await post(port, "/path", b"{}")
