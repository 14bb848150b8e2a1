"""Command-line arguments: split, compared by flag, shown without secrets."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.knobs.arguments import (
    flag_of,
    flags_in,
    secrets_in,
    shown_arguments,
    split_arguments,
    values_of,
    without_flags,
)

words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8)
arguments = st.lists(
    st.one_of(words, st.sampled_from(["-a", "--bee", "--bee_c", "--bee=1", "-1", "-0.5", "-"])), max_size=8
)


@given(st.lists(words))
def test_splitting_undoes_quoting(given):
    assert split_arguments(shlex.join(given)) == tuple(given)


@pytest.mark.parametrize("text", ["llama-server 'open", 'say "open', "ends with \\"])
def test_what_is_not_closed_is_refused(text):
    with pytest.raises(ValueError, match="nothing that ends it"):
        split_arguments(text)


def test_nothing_that_a_shell_does_is_done():
    assert split_arguments("$HOME *.gguf ; # a | b") == ("$HOME", "*.gguf", ";", "#", "a", "|", "b")


@pytest.mark.parametrize(
    ("argument", "flag"),
    [
        ("--spec-type", "--spec-type"),
        ("--spec_type", "--spec-type"),
        ("--port=8080", "--port"),
        ("-md", "-md"),
        ("-1", None),
        ("-0.5e-3", None),
        ("-", None),
        ("draft-simple", None),
        ("", None),
    ],
)
def test_flags_are_told_from_values(argument, flag):
    assert flag_of(argument) == flag


@given(arguments)
def test_without_its_flags_an_argument_list_has_only_what_stood_before_them(given):
    assert flags_in(without_flags(given, flags_in(given))) == frozenset()
    first_flag = next((i for i, argument in enumerate(given) if flag_of(argument)), len(given))
    assert without_flags(given, flags_in(given)) == tuple(given[:first_flag])


@given(arguments, st.sampled_from(["-a", "--bee", "--bee-c"]))
def test_a_flag_that_is_dropped_takes_its_values_and_nothing_else(given, flag):
    kept = without_flags(given, {flag})
    assert values_of(kept, flag) == []
    assert all(values_of(kept, other) == values_of(given, other) for other in flags_in(given) - {flag})


def test_every_occurrence_of_a_flag_counts():
    given = ["--spec-type", "none", "-np", "1", "--spec_type", "ngram-mod", "--spec-type=draft-simple", "--spec-type"]
    assert values_of(given, "--spec-type") == [("none",), ("ngram-mod",), ("draft-simple",), ()]


@pytest.mark.parametrize(
    "given",
    [
        ["--api-key", "sesame"],
        ["--api-key=sesame"],
        ["-hft", "sesame"],
        ["--hf-token", "sesame"],
        ["--password", "sesame"],
        ["env", "LLAMA_API_KEY=sesame", "llama-server"],
        ["env", "hf_token=sesame", "llama-server"],
        ["sh", "-c", "exec llama-server --api-key 'sesame' --port 1"],
        ["sh", "-c", "API_KEY=sesame llama-server # it's not closed"],
    ],
)
def test_keys_and_tokens_are_not_shown(given):
    assert secrets_in(given) == ("sesame",)
    assert "sesame" not in shown_arguments(given)
    assert "***" in shown_arguments(given)


def test_everything_else_is_shown_as_it_could_be_typed():
    given = ["env", "OMP=2", "llama-server", "--max-tokens", "5", "--api-key-file", "a b.txt", "--alias", "my x=y"]
    assert split_arguments(shown_arguments(given)) == tuple(given)
