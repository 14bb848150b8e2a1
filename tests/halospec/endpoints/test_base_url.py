"""The API is found behind whatever URL was typed."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.base_url import candidates, parse_url
from mock_site import Site, listing


@pytest.mark.parametrize(
    "typed",
    [
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/",
        " http://127.0.0.1:8080/v1",
        "http://127.0.0.1:8080/v1/",
        "http://127.0.0.1:8080/v1/chat/completions",
        "HTTP://127.0.0.1:8080/v1/models/",
    ],
)
async def test_however_the_url_is_typed_the_base_is_found(typed):
    facts = await Site({"/v1/models": listing("a")}).check(typed)

    assert facts.base_url == "http://127.0.0.1:8080/v1"
    assert facts.api_root == "http://127.0.0.1:8080"
    assert facts.model == "a"


@pytest.mark.parametrize("typed", ["http://h:13305", "http://h:13305/api", "http://h:13305/api/v1/chat/completions"])
async def test_an_api_below_api_v1_is_found(typed):
    facts = await Site({"/api/v1/models": listing("a")}).check(typed)

    assert facts.base_url == "http://h:13305/api/v1"
    assert facts.api_root == "http://h:13305"


async def test_a_path_prefix_is_kept():
    facts = await Site({"/proxy/llm/v1/models": listing("a")}).check("https://10.0.0.1/proxy/llm/")

    assert facts.base_url == "https://10.0.0.1/proxy/llm/v1"
    assert facts.api_root == "https://10.0.0.1/proxy/llm"


async def test_a_web_page_at_the_root_does_not_hide_the_api_below_it():
    page = httpx.Response(200, html="<html>Welcome</html>")

    facts = await Site({"/models": page, "/v1/models": listing("a")}).check()

    assert facts.base_url == "http://127.0.0.1:8080/v1"


def test_candidates_do_not_repeat_what_the_url_already_says():
    assert candidates("http://h") == ("http://h", "http://h/v1", "http://h/api/v1")
    assert candidates("http://h/api") == ("http://h/api", "http://h/api/v1")
    assert candidates("http://h/api/v1") == ("http://h/api/v1",)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("localhost:8080", "did you mean http://localhost:8080"),
        ("127.0.0.1", "does not start with http://"),
        ("", "does not start with http://"),
        ("ftp://h/", "http://host:port/path"),
        ("http://", "http://host:port/path"),
        ("http://h:99999", "port"),
        ("http://h:port", "malformed"),
        ("http://user:secret@h", "--api-key"),
        ("http://h/v1?key=1", "after '?'"),
        ("http://h/\x00", "malformed"),
    ],
)
def test_a_url_that_cannot_be_one(typed, said):
    with pytest.raises(ValueError) as caught:
        parse_url(typed)

    message = str(caught.value)
    assert said in message
    assert "secret" not in message
    assert message.isprintable()
    assert message.endswith((".", "?"))


def test_a_good_url_loses_only_its_ending():
    assert parse_url("http://[::1]:8080/v1/") == "http://[::1]:8080/v1"
    assert parse_url("https://h.example/models-of-mine/") == "https://h.example/models-of-mine"
