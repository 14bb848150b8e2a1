"""The embedded model itself: speculation leaves its greedy text alone, up to ties, and its twin draft is often right.

A pass over b tokens may round differently from b passes over one, so where two tokens are almost equally likely the
choice may flip. Every token that is not the plain text's must therefore be as good as the likeliest there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from halospec_server.__main__ import chat_template
from halospec_server.assembly import EngineSettings, build_engine
from halospec_server.decoding.engine import Engine
from halospec_server.model_files.choice import ModelFiles
from halospec_server.model_files.embedded import embedded_file
from plain_decoding import PlainDecoder
from tiny_engines import DRAFTERS, DrafterName, greedy, rounds_of, tokens_of

TOKENS = 24
QUESTIONS = (
    "Explain speculative decoding in exactly ONE sentence.",
    "Count from one to twenty in words.",
    "Repeat after me: the cat sat on the mat, the cat sat on the mat.",
)


@pytest.fixture(scope="module")
def twin() -> Iterator[Engine]:
    """The F32 target with the Q4_1 file of the same weights as its draft, for three at once."""
    files = ModelFiles(embedded_file("F32"), embedded_file("Q4_1"), "smollm2")
    with closing(build_engine(files, EngineSettings(ctx_size=256, parallel=3, threads=1, attention="exact"))) as engine:
        yield engine


@pytest.fixture(scope="module")
def alone(twin: Engine) -> Iterator[PlainDecoder]:
    with closing(PlainDecoder(twin.target.model, n_ctx=128)) as decoder:
        yield decoder


@pytest.fixture(scope="module")
def prompts(twin: Engine) -> list[tuple[int, ...]]:
    template = chat_template(twin.target.model)
    texts = [template.render([{"role": "user", "content": question}]) for question in QUESTIONS]
    return [tuple(twin.target.model.tokenize(text, add_bos=False)) for text in texts]


@pytest.fixture(scope="module")
def plain_texts(alone: PlainDecoder, prompts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [alone.write(prompt, TOKENS, ignore_eos=True) for prompt in prompts]


@pytest.mark.parametrize("draft_length", [1, 4, 8])
@pytest.mark.parametrize("drafter", DRAFTERS)
def test_every_draft_length_writes_what_plain_decoding_writes_up_to_ties(
    twin: Engine,
    alone: PlainDecoder,
    prompts: list[tuple[int, ...]],
    plain_texts: list[tuple[int, ...]],
    drafter: DrafterName,
    draft_length: int,
) -> None:
    drafted = 0
    for prompt, expected in zip(prompts, plain_texts, strict=True):
        steps = list(twin.generate(replace(greedy(prompt, TOKENS, draft_length), drafter=drafter)))
        drafted += sum(r.k for r in rounds_of(steps))
        assert_equal_up_to_ties(alone, prompt, expected, tokens_of(steps))
    assert drafted > 0


def test_texts_that_are_written_together_are_what_each_would_be_alone_up_to_ties(
    twin: Engine, alone: PlainDecoder, prompts: list[tuple[int, ...]], plain_texts: list[tuple[int, ...]]
) -> None:
    together = [twin.admit(greedy(prompt, TOKENS, k)) for prompt, k in zip(prompts, (0, 3, 8), strict=True)]
    while twin.free < twin.parallel:
        twin.step()
    for sequence, expected in zip(together, plain_texts, strict=True):
        written = tuple(sequence.tokens[sequence.prompt_length :])
        assert_equal_up_to_ties(alone, sequence.generation.prompt, expected, written)


def test_the_twin_is_often_right(twin: Engine, prompts: list[tuple[int, ...]]) -> None:
    rounds = [r for prompt in prompts for r in rounds_of(list(twin.generate(greedy(prompt, TOKENS, 4))))]
    assert sum(r.accepted for r in rounds) / sum(r.k for r in rounds) > 0.3


def assert_equal_up_to_ties(
    alone: PlainDecoder, prompt: tuple[int, ...], expected: tuple[int, ...], written: tuple[int, ...]
) -> None:
    assert len(written) == len(expected)
    if written != expected:
        assert alone.could_write(prompt, written, ignore_eos=True)
        warnings.warn(f"a tie: {written} where plain decoding writes {expected}", stacklevel=2)
