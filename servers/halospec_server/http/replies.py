"""Writes replies: a whole one, or the events of a stream."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence

from halospec_server.decoding.generation import TokenLogprob
from halospec_server.http import schema
from halospec_server.http.accounting import speculation_of, timings_of, usage_of
from halospec_server.jobs.completion import Account, FinishReason, Written

DONE = "data: [DONE]\n\n"

Spell = Callable[[int, float], schema.LikelyToken]


class ReplyWriter:
    """Writes one reply.

    A stream's events are put together from ready-made JSON, because there are many of them and the cores that write
    them are the ones that decode.

    Parameters
    ----------
    model
        The name that the reply goes by.
    spell
        Puts a token and its log probability into words.
    """

    def __init__(self, model: str, spell: Spell) -> None:
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._model = model
        self._spell = spell
        opening = {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": model}
        self._head = f'data: {json.dumps(opening, separators=(",", ":"))[:-1]},"choices":['

    def whole(self, written: Sequence[Sequence[Written]], accounts: Sequence[Account]) -> str:
        """Return a ``chat.completion``, given what came of each text."""
        choices = [
            schema.Choice(
                index=index,
                message=schema.AssistantMessage(content="".join(part.text for part in parts)),
                finish_reason=account.finish_reason,
                logprobs=None if account.generation.top_logprobs is None else self._logprobs(parts),
            )
            for index, (parts, account) in enumerate(zip(written, accounts, strict=True))
        ]
        return schema.ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage_of(accounts),
            timings=timings_of(accounts),
            speculation=speculation_of(accounts),
        ).model_dump_json()

    def opening(self, choice: int) -> str:
        """Return the event that names the role."""
        return (
            f'{self._head}{{"index":{choice},"delta":{{"role":"assistant","content":""}},"finish_reason":null}}]}}\n\n'
        )

    def content(self, choice: int, written: Written) -> str:
        """Return the event of one step's text."""
        logprobs = f'"logprobs":{self._logprobs([written]).model_dump_json()},' if written.logprobs else ""
        return (
            f'{self._head}{{"index":{choice},"delta":{{"content":{json.dumps(written.text)}}},'
            f'{logprobs}"finish_reason":null}}]}}\n\n'
        )

    def ending(self, choice: int, reason: FinishReason, accounts: Sequence[Account] = ()) -> str:
        """Return the event that ends a text; with accounts it ends the reply."""
        details = f",{_details(accounts)}" if accounts else ""
        return f'{self._head}{{"index":{choice},"delta":{{}},"finish_reason":"{reason}"}}]{details}}}\n\n'

    def usage(self, accounts: Sequence[Account]) -> str:
        """Return the event that ends a reply whose usage was asked for."""
        return f'{self._head}],"usage":{usage_of(accounts).model_dump_json()},{_details(accounts)}}}\n\n'

    def _logprobs(self, parts: Sequence[Written]) -> schema.Logprobs:
        return schema.Logprobs(content=[self._spelled(each) for part in parts for each in part.logprobs])

    def _spelled(self, logprob: TokenLogprob) -> schema.TokenLogprobs:
        chosen = self._spell(logprob.token, logprob.logprob)
        return schema.TokenLogprobs(
            token=chosen.token,
            logprob=chosen.logprob,
            bytes=chosen.bytes,
            top_logprobs=[self._spell(token, value) for token, value in logprob.top],
        )


def error_event(body: schema.ErrorBody) -> str:
    """Return the event that ends a stream that failed."""
    return f"data: {schema.ErrorResponse(error=body).model_dump_json()}\n\n"


def _details(accounts: Sequence[Account]) -> str:
    timings, speculation = timings_of(accounts), speculation_of(accounts)
    return f'"timings":{timings.model_dump_json()},"speculation":{speculation.model_dump_json()}'
