"""Greedy texts that have to come out the same at every draft length, in company and alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from soak_client import SoakClient
from soak_requests import DRAFT_LENGTHS, DRAFTERS, PROMPTS, Call, Knobs, canary

CANDIDATES = 12
CHOSEN = 3
TOKENS = 24
_PLAIN = Knobs(draft_length=0, drafter="none", cache_prompt=False)


class _Likely(BaseModel):
    token: str
    logprob: float


class _Token(_Likely):
    top_logprobs: list[_Likely]

    @property
    def lead(self) -> float:
        """How much likelier than any other it was, as a difference of logarithms; negative if another was likelier."""
        others = [other.logprob for other in self.top_logprobs if other.token != self.token]
        return self.logprob - max(others)


class _Logprobs(BaseModel):
    content: list[_Token]


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message
    logprobs: _Logprobs


class _Reply(BaseModel):
    choices: list[_Choice]


@dataclass(frozen=True)
class Canaries:
    """Prompts and the greedy texts that plain decoding wrote for them on an idle server.

    A pass of another width rounds differently, and where two tokens are all but equally likely that may flip a greedy
    choice without any fault of verification. So of a number of prompts those are taken whose closest decision is the
    clearest.

    Attributes
    ----------
    clearest
        The smallest lead of any token over the next likely one, in all texts.
    """

    texts: Mapping[str, str]
    clearest: float

    @classmethod
    async def choose(cls, client: SoakClient) -> Canaries:
        """Let an idle server write the texts."""
        texts, leads = {}, {}
        for prompt in PROMPTS[:CANDIDATES]:
            choice = _Reply.model_validate_json(await client.ask(cls.call(prompt, _PLAIN, top_logprobs=2))).choices[0]
            texts[prompt] = choice.message.content
            leads[prompt] = min(token.lead for token in choice.logprobs.content)
        clear = sorted(texts, key=leads.__getitem__)[-CHOSEN:]
        return cls({prompt: texts[prompt] for prompt in clear}, min(leads[prompt] for prompt in clear))

    @staticmethod
    def call(prompt: str, knobs: Knobs, top_logprobs: int | None = None) -> Call:
        """Ask for a canary's text under some settings."""
        return canary(prompt, knobs, TOKENS, top_logprobs=top_logprobs)

    def draw(self, rng: random.Random) -> str:
        """Draw one of the prompts."""
        return rng.choice(list(self.texts))

    async def at_every_length(self, client: SoakClient) -> list[tuple[str, str, str]]:
        """Return each prompt's text at every draft length with every drafter, and how it was asked for."""
        seen = []
        for number, length in enumerate(DRAFT_LENGTHS):
            for drafter in DRAFTERS:
                prompt = list(self.texts)[number % len(self.texts)]
                knobs = Knobs(draft_length=length, drafter=drafter)
                outcome = await client.perform(self.call(prompt, knobs))
                seen.append((prompt, outcome.text if outcome.fault is None else outcome.fault, str(knobs.fields)))
        return seen
