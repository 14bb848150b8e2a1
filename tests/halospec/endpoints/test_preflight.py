"""Before anything is measured: a server is there, its kind and its model are known, or one sentence says why not."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.lemonade import LEMONADE
from halospec.endpoints.llama_server import LLAMA_SERVER
from halospec.endpoints.openai import OPENAI
from halospec.endpoints.preflight import PreflightError, check_server, usual_urls
from halospec.endpoints.server_kind import SpeculationFacts
from lemonade_double import MODEL, lemonade_double
from mock_site import BUNDLED_LISTING, ROOT_URL, Site, listing, recorded


async def refusal(site: Site, url: str | None = ROOT_URL, **settings) -> str:
    with pytest.raises(PreflightError) as caught:
        await site.check(url, **settings)
    message = str(caught.value)
    assert message.isprintable()
    assert message.endswith((".", "?"))
    return message


async def test_the_bundled_server_and_what_it_has_loaded():
    site = Site({"/v1/models": httpx.Response(200, json=BUNDLED_LISTING, headers={"server": "uvicorn"})})

    facts = await site.check()

    assert facts.kind is BUNDLED
    assert facts.dialect == BUNDLED.dialect
    assert facts.speculation.draft_length == 4
    assert facts.server_header == "uvicorn"
    meta = facts.model_meta
    assert meta is not None
    assert meta.target is not None
    assert (meta.target.sha256, meta.target.size_bytes) == ("ab" * 32, 5_400_000_000)
    assert meta.draft is not None
    assert meta.draft.file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert (meta.drafter, meta.ctx_size, meta.threads) == ("model", 2048, 2)


async def test_a_llama_server_whose_own_meta_is_not_taken_for_the_bundled_servers():
    pages = {"/v1/models": recorded("llama_server", "models"), "/props": recorded("llama_server", "props")}

    facts = await Site(pages).check()

    assert facts.kind is LLAMA_SERVER
    assert facts.models == ("/srv/models/SmolLM2-135M-Instruct.Q4_1.gguf",)
    assert facts.model_meta is None


async def test_lemonade():
    async with lemonade_double() as double:
        facts = await check_server(double.url)

        assert facts.kind is LEMONADE
        assert facts.base_url == f"{double.url}/v1"
        assert facts.recognition.version == "11.7.0"
        assert facts.model == MODEL
        assert facts.speculation == SpeculationFacts(says="/health: the model is not loaded", can_reload=True)


@pytest.mark.parametrize("key", [None, "nope"])
async def test_lemonade_that_wants_another_key(key):
    async with lemonade_double(api_key="sekret") as double:
        with pytest.raises(PreflightError, match=r"HTTP 401 .*--api-key or HALOSPEC_API_KEY\.$"):
            await check_server(double.url, connection=ConnectionSettings(api_key=key))


async def test_lemonade_with_its_key():
    async with lemonade_double(api_key="sekret") as double:
        facts = await check_server(double.url, connection=ConnectionSettings(api_key="sekret"))

    assert facts.kind is LEMONADE
    assert facts.models == (MODEL, "SmolSpec")


async def test_a_server_that_nothing_tells_apart():
    facts = await Site({"/v1/models": listing("a")}).check()

    assert facts.kind is OPENAI
    assert facts.dialect == Dialect()
    assert facts.speculation == SpeculationFacts()


async def test_a_product_with_a_dialect_of_its_own():
    facts = await Site({"/v1/models": listing("a", owned_by="vllm")}).check()

    assert facts.kind is OPENAI
    assert facts.dialect.ignore_eos


@pytest.mark.parametrize("name", ["llama_server", "llama-server"])
async def test_a_kind_that_the_user_names_is_not_doubted(name):
    site = Site({"/v1/models": BUNDLED_LISTING})

    facts = await site.check(server=name)

    assert facts.kind is LLAMA_SERVER
    assert facts.recognition.evidence == "--server llama_server"


async def test_a_kind_that_there_is_not():
    message = await refusal(Site({}), server="ollama")

    assert "'ollama'" in message
    assert "auto, bundled, lemonade, llama_server, llama_cpp_python, openai" in message


async def test_a_key_is_sent_along_with_every_question():
    site = Site({"/v1/models": listing("a")})

    await site.check(connection=ConnectionSettings(api_key="sk-1"))

    assert len(site.requests) > 2
    assert {request.headers["authorization"] for request in site.requests} == {"Bearer sk-1"}


async def test_a_model_is_chosen_by_name_else_the_first():
    site = Site({"/v1/models": listing("a", "b")})

    assert (await site.check()).model == "a"
    assert (await site.check(model="b")).model == "b"
    assert (await site.check(model="b")).models == ("a", "b")


async def test_of_a_routers_models_the_first_that_is_loaded_is_chosen():
    models = {
        "data": [
            {"id": name, "owned_by": "llamacpp", "status": {"value": value}}
            for name, value in (("a", "unloaded"), ("b", "loaded"), ("c", "loaded"))
        ]
    }

    assert (await Site({"/v1/models": models}).check()).model == "b"


async def test_a_model_may_be_named_by_an_alias():
    site = Site({"/v1/models": listing("smol", owned_by="llamacpp", aliases=["smol", "tiny"])})

    assert (await site.check(model="tiny")).model == "tiny"


async def test_a_model_registered_with_lemonade_may_have_its_prefix():
    site = Site({"/v1/models": listing("SmolSpec", owned_by="lemonade")})

    assert (await site.check(model="user.SmolSpec")).model == "user.SmolSpec"
    assert "has no model 'user.a'" in await refusal(Site({"/v1/models": listing("a")}), model="user.a")


async def test_an_unknown_model_is_refused_with_a_few_that_exist():
    message = await refusal(Site({"/v1/models": listing(*"abcdefgh")}), model="nope")

    assert "'nope'" in message
    assert "a, b, c, d, e and 3 more" in message


async def test_an_empty_list_needs_a_name():
    site = Site({"/v1/models": listing()})

    assert "lists no models" in await refusal(site)
    assert (await site.check(model="anything")).model == "anything"


async def test_a_gateway_that_lists_nothing_is_left_to_the_first_request_if_the_model_is_named():
    facts = await Site({}).check(model="gpt")

    assert (facts.base_url, facts.model, facts.models) == (f"{ROOT_URL}/v1", "gpt", ())
    assert facts.kind is OPENAI


async def test_a_url_that_cannot_be_one():
    assert "did you mean http://localhost:8080" in await refusal(Site({}), "localhost:8080")


async def test_no_server(unused_port):
    with pytest.raises(PreflightError) as caught:
        await check_server(f"http://127.0.0.1:{unused_port}")

    assert str(caught.value) == (
        f"No server answers at http://127.0.0.1:{unused_port}: connection refused;"
        " start one (for instance with `halospec serve`) or check the URL."
    )


async def test_a_server_that_says_nothing(misbehaving_server):
    misbehaving_server.scripts = [["hang"]]

    with pytest.raises(PreflightError, match=r"does not answer within 0\.2 s"):
        await check_server(misbehaving_server.url, timeout_s=0.2)


async def test_a_port_that_speaks_something_else(misbehaving_server):
    misbehaving_server.scripts = [[b"SSH-2.0-OpenSSH_9.2\r\n"]]

    with pytest.raises(PreflightError, match=r"gave no HTTP answer.*check the URL"):
        await check_server(misbehaving_server.url)


async def test_a_server_that_speaks_no_tls(misbehaving_server, http):
    misbehaving_server.scripts = [[http(b"this is no TLS", status="400 Bad Request", kind="text/plain")]]

    with pytest.raises(PreflightError, match=r"TLS error, .*give http://") as caught:
        await check_server(misbehaving_server.url.replace("http:", "https:"))

    assert "No server answers" not in str(caught.value)


async def test_a_server_that_hangs_up_after_its_model_list(misbehaving_server, http):
    models = http(b'{"data": [{"id": "a"}]}', kind="application/json")
    misbehaving_server.scripts = [[models], ["reset"]]

    facts = await check_server(misbehaving_server.url)

    assert (facts.kind, facts.model) == (OPENAI, "a")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_told_before_everything_else(status):
    site = Site({"/v1/models": httpx.Response(status, json={"error": "Invalid or missing API key"})})

    message = await refusal(site)

    assert f"HTTP {status}" in message
    assert "--api-key or HALOSPEC_API_KEY" in message
    assert site.pauses_s == []


async def test_a_key_that_only_the_model_list_goes_without():
    site = Site({"/v1/models": recorded("llama_server", "models"), "/props": httpx.Response(401)})

    assert "/props" in await refusal(site)
    assert "--api-key or HALOSPEC_API_KEY" in await refusal(site)


async def test_a_gateway_that_refuses_pages_it_does_not_have_can_be_measured():
    site = Site({"/v1/models": listing("a")} | dict.fromkeys(("/props", "/openapi.json", "/"), httpx.Response(401)))

    assert (await site.check()).kind is OPENAI


async def test_an_answer_that_is_404_everywhere():
    message = await refusal(Site({}))

    assert "not with an OpenAI-compatible API" in message
    assert "http://127.0.0.1:8080/api/v1/models" in message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, html="<html>"), "not JSON"),
        ({"models": []}, "no model list"),
        ([1], "no model list"),
        ({"data": [{"name": "a"}]}, "no model list"),
    ],
)
async def test_an_answer_that_is_no_model_list(answer, said):
    message = await refusal(Site({"/v1/models": answer}))

    assert "not with an OpenAI-compatible API" in message
    assert said in message


async def test_a_server_that_is_still_loading_is_waited_for():
    loading = httpx.Response(503, json={"error": {"message": "Loading model", "code": 503}})
    site = Site({"/v1/models": [loading, loading, httpx.Response(200, json=listing("a"))]})

    assert (await site.check()).model == "a"
    assert site.pauses_s == [0.4, 0.8]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_never_gets_ready(status):
    answer = httpx.Response(status, json={"error": "Loading model"}, headers={"retry-after": "1"})
    site = Site({"/v1/models": answer})

    message = await refusal(site)

    assert f"HTTP {status}" in message
    assert '"Loading model"' in message
    assert "is not ready" in message
    assert site.pauses_s == [1.0, 1.0, 1.6, 3.2]


async def test_other_statuses_and_redirects_are_told():
    assert "HTTP 418" in await refusal(Site({"/v1/models": httpx.Response(418)}))
    elsewhere = httpx.Response(308, headers={"location": "https://127.0.0.1/v1/models"})
    assert "redirects to https://127.0.0.1/v1/models" in await refusal(Site({"/v1/models": elsewhere}))


async def test_a_proxy_setting_that_cannot_be_used_is_told(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:1")

    with pytest.raises(PreflightError, match="proxy settings in the environment"):
        await check_server("https://llm.example")


async def test_a_key_that_cannot_be_sent_is_told():
    assert "API key holds characters" in await refusal(Site({}), connection=ConnectionSettings(api_key="schlüssel"))


class Machine(Site):
    """Ports of one machine on which something listens; the others refuse connections."""

    def __init__(self, **by_port: dict) -> None:
        super().__init__({})
        self.by_port = {int(port.removeprefix("port_")): pages for port, pages in by_port.items()}

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.port not in self.by_port:
            raise httpx.ConnectError("refused") from ConnectionRefusedError()
        self.pages = self.by_port[request.url.port]
        return super().handle(request)


async def test_without_a_url_the_usual_places_are_tried_in_turn():
    machine = Machine(
        port_13305={"/v1/models": listing("b", owned_by="lemonade")}, port_8080={"/v1/models": listing("c")}
    )

    assert (await machine.check(None)).base_url == "http://127.0.0.1:13305/v1"
    assert (await machine.check(None, server="llama-server")).base_url == "http://127.0.0.1:8080/v1"


async def test_something_else_on_a_usual_port_is_passed_over():
    machine = Machine(port_8000={"/": httpx.Response(200, html="<html>")}, port_8080={"/v1/models": listing("c")})

    assert (await machine.check(None)).base_url == "http://127.0.0.1:8080/v1"
    assert (await machine.check(None, model="c")).base_url == "http://127.0.0.1:8080/v1"


async def test_a_usual_place_that_wants_a_key_is_not_passed_over():
    machine = Machine(port_13305={"/v1/models": httpx.Response(401)}, port_8080={"/v1/models": listing("c")})

    assert "http://127.0.0.1:13305/v1/models" in await refusal(machine, None)
    machine.by_port[13305] = {"/v1/models": listing("b", owned_by="llamacpp"), "/props": httpx.Response(401)}
    assert "http://127.0.0.1:13305/props" in await refusal(machine, None)


async def test_nothing_in_the_usual_places():
    assert await refusal(Machine(), None, server="lemonade") == (
        "No server answers at http://127.0.0.1:13305, http://127.0.0.1:8000; start one (for instance with"
        " `halospec serve`) or give its URL."
    )
    message = await refusal(Machine(port_8000={}), None)
    assert "http://127.0.0.1:8123, http://127.0.0.1:13305, http://127.0.0.1:8000, http://127.0.0.1:8080" in message
    assert "http://127.0.0.1:8000 answers, but not with an OpenAI-compatible API" in message


async def test_a_kind_without_a_usual_place_needs_a_url():
    assert "give its URL" in await refusal(Site({}), None, server="openai")


def test_no_place_is_tried_twice():
    assert len(set(usual_urls("auto"))) == len(usual_urls("auto"))


async def test_a_key_is_not_shown_to_whoever_listens_on_a_usual_port():
    with pytest.raises(PreflightError, match="give its URL"):
        await check_server(None, connection=ConnectionSettings(api_key="sk-1"))
