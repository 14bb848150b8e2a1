"""Texts that differ between systems are found, and where they part."""

from __future__ import annotations

import pytest

from benchmark_results import measurement
from engine_peers.agreement import compare_texts, first_difference


@pytest.mark.parametrize(
    ("text", "other", "where"),
    [("same", "same", None), ("same", "some", 1), ("short", "shorter", 5), ("", "x", 0)],
)
def test_the_first_difference_is_a_character(text: str, other: str, where: int | None) -> None:
    assert first_difference(text, other) == where


def test_every_text_is_compared_with_the_references_at_0() -> None:
    found = compare_texts(
        [
            measurement("bare", 0, texts=("a b c",)),
            measurement("bare", 4, texts=("a b c",)),
            measurement("halospec", 0, texts=("a b x",)),
        ],
        "bare",
    )
    assert [(c.system, c.draft_length, c.first_difference) for c in found] == [("bare", 4, None), ("halospec", 0, 4)]


def test_only_texts_beside_as_many_others_and_of_the_same_repetition_are_compared() -> None:
    found = compare_texts(
        [
            measurement("bare", 0, clients=1, texts=("a",)),
            measurement("halospec", 0, clients=1, repetition=1, texts=("b",)),
            measurement("halospec", 0, clients=2, texts=("b", "b")),
        ],
        "bare",
    )
    assert found == []
