"""The official OpenAI client works against the server, draft length included."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from gated_server import gated_server, in_flight, let_through_until
from halospec_server.http.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import RunningServer, serving

MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "so sa"},
    {"role": "user", "content": "ka ti mo"},
]
EXTRA = {"draft_length": 4, "ignore_eos": True}


@pytest.fixture
def api(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def written(api: openai.OpenAI) -> openai.types.chat.ChatCompletion:
    return api.chat.completions.create(
        model="tiny", messages=MESSAGES, temperature=0, max_completion_tokens=24, extra_body=EXTRA
    )


def test_a_whole_reply(api: openai.OpenAI) -> None:
    reply = written(api)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 24
    assert reply.model_extra is not None
    assert reply.model_extra["speculation"]["draft_length"] == 4
    assert reply.model_extra["timings"]["draft_n"] > 0


def test_a_stream(api: openai.OpenAI) -> None:
    chunks = list(
        api.chat.completions.create(
            model="tiny",
            messages=MESSAGES,
            temperature=0,
            max_completion_tokens=24,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=EXTRA,
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == written(api).choices[0].message.content
    last = chunks[-1]
    assert last.usage is not None
    assert last.usage.completion_tokens == 24
    assert last.model_extra is not None
    assert last.model_extra["speculation"]["draft_length"] == 4


def test_a_refusal_is_an_error_of_its_own_kind(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        api.chat.completions.create(model="tiny", messages=MESSAGES, extra_body={"draft_length": 17})
    assert refused.value.param == "draft_length"


def test_several_choices(api: openai.OpenAI) -> None:
    reply = api.chat.completions.create(
        model="tiny", messages=MESSAGES, temperature=1.0, seed=5, n=3, max_completion_tokens=12, extra_body=EXTRA
    )
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) > 1
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 36


def test_log_probabilities(api: openai.OpenAI) -> None:
    reply = api.chat.completions.create(
        model="tiny", messages=MESSAGES, temperature=0, max_completion_tokens=6, logprobs=True, top_logprobs=2,
        extra_body=EXTRA,
    )  # fmt: skip
    (choice,) = reply.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    for token in choice.logprobs.content:
        assert token.top_logprobs[0].token == token.token
        assert token.bytes == list(token.token.encode())


def test_streamed_choices_with_log_probabilities(api: openai.OpenAI) -> None:
    texts, tokens = ["", ""], ["", ""]
    for chunk in api.chat.completions.create(
        model="tiny", messages=MESSAGES, temperature=1.0, seed=5, n=2, max_completion_tokens=12, logprobs=True,
        stream=True, extra_body=EXTRA,
    ):  # fmt: skip
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.logprobs is not None:
                tokens[choice.index] += "".join(token.token for token in choice.logprobs.content or ())
    assert texts == tokens
    assert all(texts)


def test_what_shapes_the_choice_of_tokens(api: openai.OpenAI) -> None:
    reply = api.chat.completions.create(
        model="tiny", messages=MESSAGES, temperature=0, max_completion_tokens=4, logit_bias={"270": 100},
        presence_penalty=0.0, frequency_penalty=0.0, top_p=0.9, extra_body=EXTRA,
    )  # fmt: skip
    assert len(set(reply.choices[0].message.content or "")) <= 3


def test_a_request_has_the_id_that_the_log_knows_it_by(api: openai.OpenAI) -> None:
    raw = api.chat.completions.with_raw_response.create(
        model="tiny", messages=MESSAGES, max_completion_tokens=1, extra_headers={"X-Request-Id": "mine"}
    )
    assert raw.request_id == "mine"


def test_a_context_that_overflows_says_so_in_the_code(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        api.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "ka " * 500}])
    assert refused.value.code == "context_length_exceeded"


def test_errors_are_of_their_own_kinds(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, api_key="key", max_body_bytes=500)
    with serving(open_engine(tiny_pair), settings) as server:
        with (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="another", max_retries=0) as api,
            pytest.raises(openai.AuthenticationError),
        ):
            api.models.list()
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="key", max_retries=0) as api:
            assert list(api.models.list())
            with pytest.raises(openai.NotFoundError):
                api.embeddings.create(model="tiny", input="ka")
            with pytest.raises(openai.APIStatusError) as refused:
                api.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "ka " * 500}])
            assert refused.value.status_code == 413


def test_a_full_queue_is_tried_again_when_the_server_says(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, max_queue=0)
    with gated_server(tiny_pair, settings) as (server, gate), in_flight(server, {}) as (first,):
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as hasty:
            with pytest.raises(openai.RateLimitError) as refused:
                hasty.chat.completions.create(model="tiny", messages=MESSAGES)
            assert refused.value.code == "queue_full"
        gate.open()
        assert first.result().status_code == 200
    with gated_server(tiny_pair, settings) as (server, gate), in_flight(server, {}) as (first,):
        opener = threading.Timer(0.2, gate.open)
        opener.start()
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=5) as patient:
            reply = patient.chat.completions.create(model="tiny", messages=MESSAGES, max_completion_tokens=1)
        assert reply.usage is not None
        assert reply.usage.completion_tokens == 1
        assert first.result().status_code == 200


def test_a_fault_in_a_stream_is_raised(tiny_pair: Pair) -> None:
    with (
        gated_server(tiny_pair) as (server, gate),
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as api,
    ):
        gate.let_through(1)
        stream = api.chat.completions.create(
            model="tiny", messages=MESSAGES, stream=True, max_completion_tokens=200, extra_body=EXTRA
        )
        server.tell_to_stop()
        server.tell_to_stop()
        let_through_until(gate, lambda: server.requests == 0)
        with pytest.raises(openai.APIError, match="shutting down"):
            list(stream)


def test_the_list_of_models(api: openai.OpenAI) -> None:
    assert [model.id for model in api.models.list()] == ["tiny"]


def test_the_model_can_be_listed_and_retrieved(api: openai.OpenAI) -> None:
    (only,) = api.models.list().data
    assert api.models.retrieve(only.id).id == only.id
    with pytest.raises(openai.NotFoundError, match="no model 'other' here"):
        api.models.retrieve("other")
