"""What a llama-server's command line switches on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.endpoints.launch_arguments import LaunchedSpeculation, speculation_of


@pytest.mark.parametrize(
    ("command_line", "expected"),
    [
        ("llama-server -m x.gguf", LaunchedSpeculation(False, "started without --spec-type")),
        ("llama-server --spec-type none", LaunchedSpeculation(False, "started without --spec-type")),
        (
            "llama-server -m x.gguf -md d.gguf --spec-type draft-simple --spec-draft-n-max 3",
            LaunchedSpeculation(True, "started with --spec-type draft-simple --spec-draft-n-max 3", 3),
        ),
        (
            "llama-server -md d.gguf --spec-type draft-simple",
            LaunchedSpeculation(True, "started with --spec-type draft-simple"),
        ),
        (
            "llama-server --model-draft d.gguf --spec-draft-n-max 3",
            LaunchedSpeculation(
                False, "started with a draft model (--model-draft) but without --spec-type, so it drafts nothing"
            ),
        ),
        (
            "llama-server --spec-type ngram-simple --spec-ngram-simple-size-n 3 --spec-ngram-simple-size-m 8",
            LaunchedSpeculation(True, "started with --spec-type ngram-simple --spec-ngram-simple-size-m 8", 8),
        ),
        (
            "llama-server --spec-type ngram-mod --spec-draft-n-max 8",
            LaunchedSpeculation(True, "started with --spec-type ngram-mod"),
        ),
        (
            "llama-server --spec-type none,draft-mtp,ngram-mod --spec-draft-n-max 2 --spec-ngram-mod-n-max 16",
            LaunchedSpeculation(
                True, "started with --spec-type draft-mtp,ngram-mod --spec-draft-n-max 2 --spec-ngram-mod-n-max 16", 16
            ),
        ),
        ("llama-server --spec-default", LaunchedSpeculation(True, "started with --spec-default")),
    ],
)
def test_a_command_line(command_line, expected):
    assert speculation_of(command_line.split()) == expected


def test_of_a_repeated_argument_the_last_one_counts():
    arguments = "--spec-type draft-simple --spec-draft-n-max 1 --spec-draft-n-max 4 --spec-type none"

    assert not speculation_of(arguments.split()).configured
    assert speculation_of(arguments.split()[:-2]).draft_length == 4


def test_a_length_that_no_draft_has_is_none():
    assert speculation_of(["--spec-type", "draft-simple", "--spec-draft-n-max", "9" * 5000]).draft_length is None


WORDS = st.sampled_from(["--spec-type", "--spec-draft-n-max", "draft-simple", "none", "3", "", "-md", "x"]) | st.text()


@given(st.lists(WORDS))
def test_nonsense_is_no_fault(arguments):
    found = speculation_of(arguments)

    assert found.says
    assert found.configured or found.draft_length is None
