"""The official OpenAI client works against the server, draft length included."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tiny_server import RunningServer

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


def test_the_list_of_models(api: openai.OpenAI) -> None:
    assert [model.id for model in api.models.list()] == ["tiny"]
