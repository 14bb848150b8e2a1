"""Several loads at once, in the words that a person asks for them with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from halospec.contention.loads import Load
from halospec.contention.spelling import load_spelled, spelled


def each_once(loads: Iterable[Load]) -> tuple[Load, ...]:
    """Return the loads.

    Raises
    ------
    ValueError
        If one of them comes twice.
    """
    asked = tuple(loads)
    for at, load in enumerate(asked):
        if load in asked[:at]:
            raise ValueError(f"The load {spelled(load)} is asked for twice; leave out one of them.")
    return asked


def beside(default: Load | None, words: Iterable[str]) -> tuple[Load, ...]:
    """Return the default CPU load, if it is wanted, and those spelled.

    Raises
    ------
    ValueError
        If it is among these.
    """
    asked = tuple(map(load_spelled, words))
    if default in asked:
        raise ValueError(
            f"--load (or HALOSPEC_LOAD) asks for {spelled(default)} already; leave out that, or --inject of the same."
        )
    return asked if default is None else (default, *asked)


def _in_their_own_words(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(spelled, each_once(map(load_spelled, words))))


LoadWords = Annotated[tuple[str, ...], AfterValidator(_in_their_own_words)]
"""Loads as `halospec.contention.spelling.spelled` has them, whichever way they were spelled when they came; no load
twice."""
