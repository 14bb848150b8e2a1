"""Before a run: the API is found behind whatever URL was typed, or one sentence says why not."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.preflight import PreflightError, candidates, check_server, parse_url

BUNDLED = {
    "object": "list",
    "data": [
        {
            "id": "smollm2-135m",
            "object": "model",
            "owned_by": "halospec",
            "meta": {
                "target": {
                    "name": "smollm2-135m",
                    "file": "SmolLM2-135M-Instruct.F32.gguf",
                    "sha256": "ab" * 32,
                    "size_bytes": 5_400_000_000,
                    "n_params": 134_515_008,
                },
                "draft": {"name": "twin", "file": "SmolLM2-135M-Instruct.Q4_1.gguf", "sha256": "cd" * 32},
                "drafter": "model",
                "ctx_size": 2048,
                "threads": 2,
                "draft_length": 4,
                "llama_cpp": "0.3.36",
            },
        }
    ],
}
LLAMA_SERVER = {
    "models": [{"name": "/srv/models/x.gguf"}],
    "object": "list",
    "data": [{"id": "/srv/models/x.gguf", "owned_by": "llamacpp", "meta": {"n_ctx": 2048, "n_params": 134515008}}],
}


def listing(*names: str) -> dict:
    return {"object": "list", "data": [{"id": name} for name in names]}


class Site:
    """A server of a few paths; everything else is 404. A path's answers come in turn, the last one repeats."""

    def __init__(self, **answers: httpx.Response | list[httpx.Response]) -> None:
        self.answers = {path.replace("__", "/"): given for path, given in answers.items()}
        self.requests: list[httpx.Request] = []
        self.pauses_s: list[float] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        given = self.answers.get(request.url.path)
        if given is None:
            return httpx.Response(404, json={"error": {"message": "File Not Found", "code": 404}})
        if isinstance(given, list):
            return given.pop(0) if len(given) > 1 else given[0]
        return given

    async def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)

    async def check(self, url: str = "http://127.0.0.1:8080", **settings):
        return await check_server(url, transport=httpx.MockTransport(self.handle), sleep=self.sleep, **settings)

    async def refusal(self, url: str = "http://127.0.0.1:8080", **settings) -> str:
        with pytest.raises(PreflightError) as caught:
            await self.check(url, **settings)
        message = str(caught.value)
        assert message.isprintable()
        assert message.endswith((".", "?"))
        return message


def ok(body: object, **headers: str) -> httpx.Response:
    return httpx.Response(200, json=body, headers=headers)


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
    facts = await Site(__v1__models=ok(listing("a"))).check(typed)

    assert facts.base_url == "http://127.0.0.1:8080/v1"
    assert facts.model == "a"


async def test_lemonades_prefix_is_found():
    site = Site(__api__v1__models=ok(listing("a")))

    assert (await site.check("http://127.0.0.1:13305")).base_url == "http://127.0.0.1:13305/api/v1"
    assert (await site.check("http://127.0.0.1:13305/api")).base_url == "http://127.0.0.1:13305/api/v1"


async def test_a_path_prefix_is_kept():
    facts = await Site(__proxy__llm__v1__models=ok(listing("a"))).check("https://10.0.0.1/proxy/llm/")

    assert facts.base_url == "https://10.0.0.1/proxy/llm/v1"


async def test_a_web_page_at_the_root_does_not_hide_the_api_below_it():
    page = httpx.Response(200, html="<html>Welcome</html>")

    facts = await Site(__models=page, __v1__models=ok(listing("a"))).check()

    assert facts.base_url == "http://127.0.0.1:8080/v1"


def test_candidates_do_not_repeat_what_the_url_already_says():
    assert candidates("http://h") == ("http://h", "http://h/v1", "http://h/api/v1")
    assert candidates("http://h/api") == ("http://h/api", "http://h/api/v1")
    assert candidates("http://h/api/v1") == ("http://h/api/v1",)


async def test_the_bundled_servers_meta_tells_what_is_loaded():
    facts = await Site(__v1__models=ok(BUNDLED, server="uvicorn")).check()

    assert facts.server_header == "uvicorn"
    assert facts.model_meta is not None
    assert facts.model_meta.target is not None
    assert facts.model_meta.target.sha256 == "ab" * 32
    assert facts.model_meta.target.size_bytes == 5_400_000_000
    assert facts.model_meta.draft is not None
    assert facts.model_meta.draft.file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert (facts.model_meta.drafter, facts.model_meta.ctx_size, facts.model_meta.threads) == ("model", 2048, 2)


async def test_llama_servers_own_meta_is_not_taken_for_it():
    facts = await Site(__v1__models=ok(LLAMA_SERVER, server="llama.cpp")).check()

    assert facts.models == ("/srv/models/x.gguf",)
    assert facts.server_header == "llama.cpp"
    assert facts.model_meta is None


async def test_a_key_is_sent_along():
    site = Site(__v1__models=ok(listing("a")))

    await site.check(api_key=" sk-1\n".strip())

    assert {r.headers["authorization"] for r in site.requests} == {"Bearer sk-1"}


async def test_a_model_is_chosen_by_name_else_the_first():
    site = Site(__v1__models=ok(listing("a", "b")))

    assert (await site.check()).model == "a"
    assert (await site.check(model="b")).model == "b"
    assert (await site.check(model="b")).models == ("a", "b")


async def test_an_unknown_model_is_refused_with_a_few_that_exist():
    message = await Site(__v1__models=ok(listing(*"abcdefgh"))).refusal(model="nope")

    assert "'nope'" in message
    assert "a, b, c, d, e and 3 more" in message


async def test_an_empty_list_needs_a_name():
    site = Site(__v1__models=ok(listing()))

    assert "lists no models" in await site.refusal()
    assert (await site.check(model="anything")).model == "anything"


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
async def test_a_url_that_cannot_be_one(typed, said):
    message = await Site().refusal(typed)

    assert said in message
    assert "secret" not in message


def test_a_good_url_loses_only_its_ending():
    assert parse_url("http://[::1]:8080/v1/") == "http://[::1]:8080/v1"
    assert parse_url("https://h.example/models-of-mine/") == "https://h.example/models-of-mine"


async def test_no_server(unused_port):
    with pytest.raises(PreflightError) as caught:
        await check_server(f"http://127.0.0.1:{unused_port}")

    assert str(caught.value) == (
        f"No server answers at http://127.0.0.1:{unused_port}: connection refused;"
        " start one (for instance with `halospec serve`) or check --url."
    )


async def test_a_server_that_says_nothing(misbehaving_server):
    misbehaving_server.scripts = [["hang"]]

    with pytest.raises(PreflightError, match=r"does not answer within 0\.2 s"):
        await check_server(misbehaving_server.url, timeout_s=0.2)


async def test_a_port_that_speaks_something_else(misbehaving_server):
    misbehaving_server.scripts = [[b"SSH-2.0-OpenSSH_9.2\r\n"]]

    with pytest.raises(PreflightError, match=r"gave no HTTP answer.*check --url"):
        await check_server(misbehaving_server.url)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_told_before_everything_else(status):
    site = Site(__v1__models=httpx.Response(status, json={"error": "Invalid or missing API key"}))

    message = await site.refusal()

    assert f"HTTP {status}" in message
    assert "--api-key or HALOSPEC_API_KEY" in message
    assert site.pauses_s == []


async def test_an_answer_that_is_404_everywhere():
    message = await Site().refusal()

    assert "not with an OpenAI-compatible API" in message
    assert "http://127.0.0.1:8080/api/v1/models" in message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, html="<html>"), "not JSON"),
        (httpx.Response(200, json={"models": []}), "no model list"),
        (httpx.Response(200, json=[1]), "no model list"),
        (httpx.Response(200, json={"data": [{"name": "a"}]}), "no model list"),
    ],
)
async def test_an_answer_that_is_no_model_list(answer, said):
    message = await Site(__v1__models=answer).refusal()

    assert "not with an OpenAI-compatible API" in message
    assert said in message


async def test_a_server_that_is_still_loading_is_waited_for():
    loading = httpx.Response(503, json={"error": {"message": "Loading model", "code": 503}})
    site = Site(__v1__models=[loading, loading, ok(listing("a"))])

    assert (await site.check()).model == "a"
    assert site.pauses_s == [0.4, 0.8]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_never_gets_ready(status):
    site = Site(__v1__models=httpx.Response(status, json={"error": "Loading model"}, headers={"retry-after": "1"}))

    message = await site.refusal()

    assert f"HTTP {status}" in message
    assert '"Loading model"' in message
    assert "is not ready" in message
    assert site.pauses_s == [1.0, 1.0, 1.6, 3.2]


async def test_other_statuses_and_redirects_are_told():
    assert "HTTP 418" in await Site(__v1__models=httpx.Response(418)).refusal()
    elsewhere = httpx.Response(308, headers={"location": "https://127.0.0.1/v1/models"})
    assert "redirects to https://127.0.0.1/v1/models" in await Site(__v1__models=elsewhere).refusal()


async def test_a_proxy_setting_that_cannot_be_used_is_told(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:1")

    with pytest.raises(PreflightError, match="proxy settings in the environment"):
        await check_server("https://llm.example")


async def test_a_key_that_cannot_be_sent_is_told():
    assert "API key holds characters" in await Site().refusal(api_key="schlüssel")
