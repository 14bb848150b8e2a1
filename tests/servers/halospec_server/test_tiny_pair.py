"""The pair the other tests stand on is worth testing with: small, undecided, and a draft that is sometimes right."""

from __future__ import annotations

import numpy as np

from halospec_server.decoding.engine import Engine, Generation
from halospec_server.decoding.sampling import Sampling
from plain_decoding import PlainDecoder
from tiny_engines import GREEDY, Pair, prompt_of, rounds_of
from tiny_models import FIRST_PIECE


def test_the_files_have_a_few_hundred_kilobytes(tiny_pair: Pair) -> None:
    assert all(100_000 < path.stat().st_size < 500_000 for path in tiny_pair)


def test_the_draft_is_right_often_but_not_always(model_engine: Engine) -> None:
    for sampling in (GREEDY, Sampling(1.0)):
        rounds = [
            entry
            for seed, prompt in enumerate(("ka", "mo ti", "so sa", "ti ta ti"))
            for entry in rounds_of(
                list(model_engine.generate(Generation(prompt_of(prompt), 60, sampling, 4, seed=seed, ignore_eos=True)))
            )
        ]
        acceptance = sum(r.accepted for r in rounds) / sum(r.k for r in rounds)
        assert 0.4 < acceptance < 0.9


def test_there_is_real_choice_among_the_syllables_alone(model_engine: Engine, alone: PlainDecoder) -> None:
    for prompt in ("ka", "mo ti", "so sa"):
        p = Sampling(1.0).distribution(alone.logits_after(prompt_of(prompt)))
        ends = model_engine.target.model.end_tokens
        assert p[FIRST_PIECE:].sum() + p[ends].sum() > 1 - 1e-6
        assert p.max() < 0.9
        assert np.count_nonzero(p > 0.01) >= 5
