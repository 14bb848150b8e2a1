"""Words before a prompt: another eight for every request, equally long for all."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.experiment.nonce import nonce, with_nonce

places = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**31),
        "mode": st.sampled_from(["fixed_0", "fixed_1", "fixed_10", "adaptive"]),
        "block": st.integers(1, 200),
        "step": st.integers(1, 200),
        "is_warmup": st.booleans(),
        "trial_attempt": st.integers(1, 5),
        "run": st.sampled_from(["", "2026-11-22T09:22:34Z"]),
    }
)


@given(places)
def test_a_nonce_is_eight_lower_case_words_of_four_letters_and_always_the_same_for_its_place(place):
    assert re.fullmatch(r"[a-z]{4}( [a-z]{4}){7}", nonce(**place))
    assert nonce(**place) == nonce(**place)


@given(places, places)
def test_no_two_places_share_one(one, other):
    assert (nonce(**one) == nonce(**other)) == (one == other)


def test_a_large_run_meets_no_nonce_twice_and_hardly_a_beginning():
    modes = [f"fixed_{k}" for k in range(9)]
    found = [
        nonce(1, mode=mode, block=block, step=step) for mode, block, step in product(modes, range(1, 41), range(1, 41))
    ]
    assert len(set(found)) == len(found)
    assert len({words[:14] for words in found}) > 0.999 * len(found)


def test_it_stands_before_the_prompt():
    assert with_nonce("Why?", "able lake") == "able lake\n\nWhy?"


@pytest.mark.e2e
def test_every_nonce_has_as_many_tokens_as_words_for_the_embedded_model():
    embedded = pytest.importorskip("halospec_server.model_files.embedded")
    llama_cpp = pytest.importorskip("llama_cpp")
    model = llama_cpp.Llama(str(embedded.embedded_file("Q4_1")), vocab_only=True, verbose=False)

    def tokens(words: str) -> int:
        turn = f"<|im_start|>user\n{with_nonce('Why is the sky blue?', words)}<|im_end|>\n"
        return len(model.tokenize(turn.encode(), add_bos=False, special=True))

    drawn = {nonce(1, mode="fixed_0", block=1, step=step) for step in range(1, 2001)}
    words_in_use = {word for words in drawn for word in words.split()}
    assert len(words_in_use) == 256
    assert {tokens(words) - tokens(words.split()[0]) for words in drawn} == {7}
    assert len({tokens(word) for word in words_in_use}) == 1
