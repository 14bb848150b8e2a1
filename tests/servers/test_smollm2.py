"""The embedded model itself: speculation leaves its greedy text alone, up to ties, and its twin draft is often right.

A pass over b tokens may round differently from b passes over one, so where two tokens are almost equally likely the
choice may flip. Such a tie is shown by decoding up to it one token at a time and looking at the logits.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest

from halospec_server.__main__ import build_engine, chat_template
from halospec_server.drafters.prompt_lookup import PromptLookupDrafter
from halospec_server.engine import Engine
from halospec_server.llama import Context
from halospec_server.models import ModelFiles, embedded_file
from tiny_engines import greedy, rounds_of, tokens_of

TOKENS = 24
TIE = 1e-2
"""Difference of logits below which two tokens count as equally likely."""
QUESTIONS = (
    "Explain speculative decoding in exactly ONE sentence.",
    "Count from one to twenty in words.",
    "Repeat after me: the cat sat on the mat, the cat sat on the mat.",
)


@dataclass(frozen=True)
class Difference:
    """The first token in which a text differs from the plain one."""

    position: int
    expected: int
    found: int


@pytest.fixture(scope="module")
def twin() -> Iterator[Engine]:
    """The F32 target with the Q4_1 file of the same weights as its draft."""
    files = ModelFiles(embedded_file("F32"), embedded_file("Q4_1"), "smollm2")
    with closing(build_engine(files, ctx_size=256, threads=1)) as engine:
        yield engine


@pytest.fixture(scope="module")
def prompts(twin: Engine) -> list[tuple[int, ...]]:
    template = chat_template(twin.target.model)
    texts = [template.render([{"role": "user", "content": question}]) for question in QUESTIONS]
    return [tuple(twin.target.model.tokenize(text, add_bos=False)) for text in texts]


@pytest.fixture(scope="module")
def plain_texts(twin: Engine, prompts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [tokens_of(list(twin.generate(greedy(prompt, TOKENS)))) for prompt in prompts]


@pytest.mark.parametrize("draft_length", [1, 2, 4, 8])
@pytest.mark.parametrize("drafter", ["twin", "ngram"])
def test_every_draft_length_writes_what_plain_decoding_writes_up_to_ties(
    twin: Engine,
    prompts: list[tuple[int, ...]],
    plain_texts: list[tuple[int, ...]],
    drafter: str,
    draft_length: int,
) -> None:
    engine = twin if drafter == "twin" else Engine(twin.target, PromptLookupDrafter())
    drafted = 0
    for question, prompt, expected in zip(QUESTIONS, prompts, plain_texts, strict=True):
        steps = list(engine.generate(greedy(prompt, TOKENS, draft_length)))
        drafted += sum(r.k for r in rounds_of(steps))
        difference = first_difference(expected, tokens_of(steps))
        if difference is not None:
            gap = logit_gap(twin.target, prompt + expected[: difference.position], difference)
            assert gap < TIE, f"{question!r}: {difference} is no tie, the logits differ by {gap:.2g}"
            warnings.warn(f"a tie after {question!r}: {difference}, logits {gap:.2g} apart", stacklevel=1)
    assert drafted > 0


def test_the_twin_is_often_right(twin: Engine, prompts: list[tuple[int, ...]]) -> None:
    rounds = [r for prompt in prompts for r in rounds_of(list(twin.generate(greedy(prompt, TOKENS, 4))))]
    assert sum(r.accepted for r in rounds) / sum(r.k for r in rounds) > 0.3


def first_difference(expected: tuple[int, ...], found: tuple[int, ...]) -> Difference | None:
    assert len(expected) == len(found)
    differing = (Difference(i, e, f) for i, (e, f) in enumerate(zip(expected, found, strict=True)) if e != f)
    return next(differing, None)


def logit_gap(target: Context, text: tuple[int, ...], difference: Difference) -> float:
    """Return by how much the two tokens' logits differ after a text that is decoded one token at a time.

    It is infinite if the two are not the target's favourites there.
    """
    target.reset()
    for token in text[:-1]:
        target.decode([token], "none")
    rows = target.decode(text[-1:], "last")
    assert rows is not None
    first, second = np.argsort(-rows[0])[:2].tolist()
    if {first, second} != {difference.expected, difference.found}:
        return np.inf
    return float(rows[0, first] - rows[0, second])
