"""Traces of the tiny pair, held against what the same engine does when it drafts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation
from halospec_server.tracing.opinions import Untraceable
from halospec_server.tracing.tracer import Trace, Tracer, Witness
from plain_decoding import PlainDecoder
from tiny_engines import GREEDY, Pair, open_engine, prompt_of, rounds_of, tokens_of

PROMPTS = ("ka", "mo ti", "so sa", "ti ta ti", "ma so ka mi")
TOKENS = 60
FIRST_OF_A_ROUND = 1
"""The reply's first token comes with the prompt, without a draft."""


@pytest.fixture(scope="module")
def witness() -> Witness:
    """Keep what the tracing engine judged by."""
    return Witness()


@pytest.fixture(scope="module")
def tracing_engine(tiny_pair: Pair, witness: Witness) -> Iterator[Engine]:
    """The tiny pair, with small passes, so that prompts take several."""
    with closing(open_engine(tiny_pair, make_verifier=witness, batch_size=32)) as engine:
        yield engine


@pytest.fixture(scope="module")
def tracer(tracing_engine: Engine, witness: Witness) -> Tracer:
    """A tracer that compares with passes of 9."""
    return Tracer(tracing_engine, witness, check_width=9)


def asked(words: str, tokens: int = TOKENS, k: int = 0) -> Generation:
    """Ask for what a text is traced with: greedily, and with nothing taken from a cache."""
    return Generation(prompt_of(words), tokens, GREEDY, k, cache_prompt=False)


def matches(trace: Trace) -> list[bool]:
    return [view.token == token for view, token in zip(trace.opinions, trace.tokens, strict=True)]


def replayed(match: list[bool], k: int) -> list[tuple[int, int]]:
    """Return (k, accepted) of each round that a fixed draft length would have, by the trace alone."""
    rounds = []
    at = FIRST_OF_A_ROUND
    while at < len(match):
        drafted = min(k, len(match) - at - 1)
        accepted = 0
        while accepted < drafted and match[at + accepted]:
            accepted += 1
        rounds.append((drafted, accepted))
        at += accepted + 1
    return rounds


@pytest.mark.parametrize("words", PROMPTS)
def test_the_text_is_the_targets_own(tracer: Tracer, model_engine: Engine, words: str) -> None:
    generation = asked(words)
    assert tracer.trace(generation).tokens == tokens_of(list(model_engine.generate(generation)))


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("words", PROMPTS)
def test_what_any_draft_length_has_accepted_follows_from_the_matches(
    tracer: Tracer, model_engine: Engine, words: str, k: int
) -> None:
    generation = asked(words)
    match = matches(tracer.trace(generation))
    real = rounds_of(list(model_engine.generate(asked(words, k=k))))
    assert replayed(match, k) == [(done.k, done.accepted) for done in real]


def test_the_matches_are_mixed_or_the_test_above_shows_little(tracer: Tracer) -> None:
    found = [hit for words in PROMPTS for hit in matches(tracer.trace(asked(words)))]
    assert 0.4 < sum(found) / len(found) < 0.9


def test_the_first_place_is_that_right_after_the_prompt(
    tracer: Tracer, tracing_engine: Engine, tiny_pair: Pair
) -> None:
    """Judged by the draft model decoding alone, in a context of its own."""
    draft = tracing_engine.drafters["model"].model  # type: ignore[attr-defined]
    prompt = prompt_of("ti ta ti")
    trace = tracer.trace(asked("ti ta ti", 6))
    with closing(PlainDecoder(draft)) as alone:
        for place, view in enumerate(trace.opinions):
            assert view.token == int(alone.logits_after((*prompt, *trace.tokens[:place])).argmax())


def test_a_long_prompt_is_read_in_several_passes(tracer: Tracer, model_engine: Engine) -> None:
    words = " ".join(["ka mo ti so sa"] * 20)
    generation = asked(words, 20)
    match = matches(tracer.trace(generation))
    real = rounds_of(list(model_engine.generate(asked(words, 20, k=4))))
    assert replayed(match, 4) == [(done.k, done.accepted) for done in real]


def test_one_text_does_not_change_another(tracer: Tracer) -> None:
    alone = tracer.trace(asked("so sa"))
    tracer.trace(asked("so sa ka"))
    assert tracer.trace(asked("so sa")) == alone


def test_a_text_ends_where_it_ends(tracer: Tracer, model_engine: Engine) -> None:
    trace = tracer.trace(asked("ki to", 200))
    steps = list(model_engine.generate(asked("ki to", 200, k=3)))
    assert steps[-1].ended
    assert trace.tokens == tokens_of(steps)
    assert len(trace.opinions) == len(trace.tokens) < 200
    # Of the last draft, what lies behind the text's end is in no trace.
    assert [done.accepted for done in rounds_of(steps)[:-1]] == [hits for _, hits in replayed(matches(trace), 3)[:-1]]


def test_in_single_precision_no_wide_pass_chooses_otherwise(tracer: Tracer) -> None:
    assert [tracer.trace(asked(words)).wide_differences for words in PROMPTS] == [0] * 5


def test_wide_passes_are_held_against_the_text_itself(
    tracing_engine: Engine, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With passes over several positions that give the rows in the wrong order, most places differ."""
    tracer = Tracer(tracing_engine, witness, check_width=9)
    decode = tracing_engine.texts.decode
    monkeypatch.setattr(tracing_engine.texts, "decode", lambda pieces: decode(pieces)[::-1])
    differences = tracer.trace(asked("mo ti")).wide_differences
    assert differences is not None
    assert differences > TOKENS / 2


def test_nobody_looks_at_wide_passes_unless_asked(tracing_engine: Engine, witness: Witness) -> None:
    tracer = Tracer(tracing_engine, witness, check_width=0)
    assert tracer.trace(asked("ka", 5)).wide_differences is None


def test_without_a_draft_model_there_is_nothing_to_trace(lookup_engine: Engine, tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, parallel=2)) as crowded, pytest.raises(Untraceable, match="one at a time"):
        Tracer(crowded, Witness(), 0)
    without = {name: drafter for name, drafter in lookup_engine.drafters.items() if name != "model"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lookup_engine, "drafters", without)
        with pytest.raises(Untraceable, match="no draft model"):
            Tracer(lookup_engine, Witness(), 0)
