"""Every way a server can fail ends in an EndpointError: one sentence, and whether another try makes sense."""

from __future__ import annotations

import logging

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.types import Completion, EndpointError


@pytest.fixture
def refusal(ask):
    async def refused(answer: bytes | httpx.Response, **settings) -> EndpointError:
        with pytest.raises(EndpointError) as caught:
            await ask(answer, **settings)
        reason = caught.value.reason
        assert reason.endswith(".")
        assert len(reason) < 500
        assert reason.isprintable()
        return caught.value

    return refused


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (402, False), (408, True), (413, False), (429, True), (500, True), (502, True), (503, True)],
)
async def test_a_status_gives_its_number_the_servers_words_and_whether_to_retry(refusal, status, retryable):
    failure = await refusal(httpx.Response(status, json={"error": {"message": "Loading model", "code": status}}))

    assert f"HTTP {status}" in failure.reason
    assert '"Loading model"' in failure.reason
    assert failure.retryable is retryable


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_names_the_settings_and_is_final(refusal, status):
    body = {"error": "Invalid or missing API key"}

    without = await refusal(httpx.Response(status, json=body))
    wrong = await refusal(httpx.Response(status, json=body), connection=ConnectionSettings(api_key="sk-wrong"))

    assert "wants an API key" in without.reason
    assert "refuses this API key" in wrong.reason
    for failure in (without, wrong):
        assert "--api-key or HALOSPEC_API_KEY" in failure.reason
        assert not failure.retryable


async def test_not_found_is_final_and_points_to_url_and_model(refusal):
    error = {"error": {"code": "model_not_found", "message": "Model 'nope' was not found."}}

    failure = await refusal(httpx.Response(404, json=error))

    assert "Model 'nope' was not found." in failure.reason
    assert "check the URL and the model" in failure.reason
    assert not failure.retryable


async def test_a_redirect_names_its_target(refusal):
    failure = await refusal(httpx.Response(307, headers={"location": "https://elsewhere/v1"}))

    assert "https://elsewhere/v1" in failure.reason
    assert not failure.retryable


@pytest.mark.parametrize("status", [300, 302, 304])
async def test_a_redirect_to_nowhere_is_a_bad_status_like_others(refusal, status):
    failure = await refusal(httpx.Response(status))

    assert f"HTTP {status}" in failure.reason
    assert not failure.retryable


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"Invalid JSON in request body"}', '"Invalid JSON in request body"'),
        (b'{"detail":[{"msg":"field required"}]}', "field required"),
        (b'{"message":"gone fishing"}', '"gone fishing"'),
        (b"plain words", '"plain words"'),
        (b"<html><body>nginx</body></html>", '"Bad Request"'),
        (b"", "(no message)"),
        (b"\xff\xfe\x00", "HTTP 400"),
        (b"[" * 5000, "HTTP 400"),
    ],
)
async def test_the_servers_words_are_found_in_whatever_body_it_sends(refusal, body, said):
    assert said in (await refusal(httpx.Response(400, content=body))).reason


async def test_the_servers_words_are_shortened_and_stripped_of_control_characters(refusal):
    failure = await refusal(httpx.Response(400, json={"error": "\x1b[31mred\x07\nline two\u202e " + "x" * 10_000}))

    quoted = failure.reason.split('"')[1]
    assert quoted.startswith("[31mred line two xxx")
    assert len(quoted) == 200


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": "Incorrect key: sk-secret."}),
        httpx.Response(307, headers={"location": "https://elsewhere/v1?key=sk-secret"}),
        httpx.Response(200, headers={"content-type": "text/sk-secret"}),
        httpx.Response(200, json={"error": {"message": "not for sk-secret"}}),
        httpx.Response(200, json={"choices": "sk-secret"}),
        httpx.Response(200, headers={"content-type": "application/json"}, content=b"sk-secret"),
        b'event: error\ndata: "sk-secret"\n\n',
        b"data: sk-secret\n\n",
    ],
)
async def test_a_key_that_the_server_repeats_is_not_shown(refusal, caplog, answer):
    caplog.set_level(logging.DEBUG)

    failure = await refusal(answer, connection=ConnectionSettings(api_key="sk-secret"), debug_json=True)

    assert "sk-secret" not in repr(failure) + failure.reason + caplog.text


async def test_retry_after_is_read_in_seconds_and_as_a_date(refusal):
    seconds = await refusal(httpx.Response(429, headers={"retry-after": "7"}))
    date = await refusal(
        httpx.Response(
            503,
            headers={"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"},
        )
    )
    past = await refusal(httpx.Response(503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}))
    junk = await refusal(httpx.Response(503, headers={"retry-after": "soon"}))
    no_such_zone = f"Wed, 21 Oct 2026 07:28:00 +{10**20}"
    nonsense = await refusal(httpx.Response(503, headers={"retry-after": no_such_zone}))

    assert (seconds.retry_after_s, date.retry_after_s) == (7.0, 30.0)
    assert (past.retry_after_s, junk.retry_after_s, nonsense.retry_after_s) == (0.0, None, None)


@pytest.mark.parametrize(
    ("error", "said", "retryable"),
    [
        ({"code": 400, "message": "exceeds the available context size", "status_code": 400}, "context size", False),
        ({"code": 503, "message": "slot lost"}, "slot lost", True),
        ({"code": "server_error", "message": "out of memory"}, "out of memory", True),
        ("backend crashed", "backend crashed", True),
        ({"message": {"nested": 1}}, "nested", True),
    ],
)
async def test_an_error_object_inside_a_stream(refusal, sse, delta, error, said, retryable):
    failure = await refusal(sse(delta("Hel"), {"error": error}))

    assert said in failure.reason
    assert failure.retryable is retryable


async def test_an_error_in_a_whole_reply_with_status_200(refusal):
    assert "no slot" in (await refusal(httpx.Response(200, json={"error": {"message": "no slot"}}))).reason


async def test_an_error_event_inside_a_stream(refusal):
    failure = await refusal(b'event: error\ndata: {"error": {"message": "engine died", "code": 500}}\n\n')

    assert "engine died" in failure.reason
    assert failure.retryable


async def test_a_stream_that_ends_before_its_finish_reason(refusal, sse, delta):
    failure = await refusal(sse(delta("Hello"), delta("!")))

    assert "ended early, after 2 content events" in failure.reason
    assert failure.retryable


async def test_a_stream_that_ends_inside_an_event(refusal, hello):
    assert "ended early, after 2" in (await refusal(hello[: hello.index(b' I"')])).reason


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream", ""])
async def test_a_content_type_that_is_neither_stream_nor_json(refusal, kind):
    headers = {"content-type": kind} if kind else {}

    failure = await refusal(httpx.Response(200, headers=headers, content=b"<html>Welcome</html>"))

    assert (kind.partition(";")[0] or "no content type") in failure.reason
    assert not failure.retryable


async def test_json_that_is_none(refusal, sse):
    whole = await refusal(httpx.Response(200, headers={"content-type": "application/json"}, content=b"{oops"))
    event = await refusal(sse("{oops"))

    for failure in (whole, event):
        assert "not JSON" in failure.reason
        assert "{oops" in failure.reason
        assert not failure.retryable


@pytest.mark.parametrize(
    "shape",
    [
        [],
        7,
        {"choices": "many"},
        {"choices": [None]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": 5}}]},
    ],
)
async def test_json_of_the_wrong_shape(refusal, sse, shape):
    failure = await refusal(sse(shape))

    assert "wrong shape" in failure.reason
    assert not failure.retryable


@pytest.mark.parametrize(
    "counts", [{}, {"usage": None, "timings": None}, {"usage": {}}, {"usage": {"prompt_tokens": 3}}]
)
async def test_a_whole_reply_without_a_token_count(refusal, counts):
    reply = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}

    failure = await refusal(httpx.Response(200, json=reply | counts))

    assert "neither usage nor timings" in failure.reason
    assert not failure.retryable


@pytest.mark.parametrize("choices", [{"choices": []}, {"choices": None}, {}])
async def test_a_reply_without_choices(refusal, sse, usage, choices):
    stream = await refusal(sse(usage | choices, "[DONE]"))
    whole = await refusal(httpx.Response(200, json={"usage": {"completion_tokens": 3}} | choices))

    assert stream.reason == whole.reason == "The reply holds no choices."


@pytest.mark.parametrize("last", [{}, {"usage": {"completion_tokens": 0}}, {"timings": {"predicted_n": 0}}])
async def test_a_reply_of_0_tokens(refusal, sse, delta, last):
    failure = await refusal(sse(delta("", role="assistant"), delta(finish="stop"), {"choices": []} | last, "[DONE]"))

    assert "0 tokens" in failure.reason
    assert failure.retryable


async def test_text_that_is_counted_as_0_tokens(refusal, sse, delta):
    failure = await refusal(
        sse(delta("x", finish="stop"), {"choices": [], "usage": {"completion_tokens": 0}}, "[DONE]")
    )

    assert "counts 0 tokens" in failure.reason


async def test_a_reply_without_end_is_cut_off_at_the_size_limit(refusal, in_pieces):
    endless = (b"data: x" * 150_000 for _ in range(1000))

    failure = await refusal(
        httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=in_pieces(endless))
    )

    assert "larger than 67108864 bytes" in failure.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "error", "usage", "timings", "rounds", "draft_n", "k", "message"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(events=st.lists(json_values, max_size=4), whole=json_values)
def test_no_json_whatever_makes_anything_but_a_completion_or_an_endpoint_error(ask, sse, events, whole):
    stream = sse(*(to_json(event, inf_nan_mode="constants").decode() for event in events), "[DONE]")
    reply = httpx.Response(200, headers={"content-type": "application/json"}, content=to_json(whole))

    async def outcome(answer: bytes | httpx.Response) -> Completion | EndpointError:
        try:
            return await ask(answer)
        except EndpointError as failure:
            return failure

    for answer in (stream, reply):
        result = anyio.run(outcome, answer)
        assert isinstance(result, EndpointError) or result.completion_tokens > 0


@settings(deadline=None)
@given(detail=json_values)
def test_no_detail_whatever_costs_a_reply_whose_tokens_are_known(ask, sse, delta, usage, detail):
    last = usage | {"timings": detail, "speculation": {"rounds": detail}}
    stream = sse(delta("x", finish="stop"), to_json(last, inf_nan_mode="constants").decode(), "[DONE]")

    assert anyio.run(ask, stream).completion_tokens == 3
