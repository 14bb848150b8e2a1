"""What {draft_args} stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.knobs.draft_args import DraftArgs


@given(st.integers(1, 99))
def test_the_default_is_for_llama_server_with_a_draft_model(k):
    assert DraftArgs().expand(k) == ("--spec-type", "draft-simple", "--spec-draft-n-max", str(k))


def test_k_0_is_no_speculation_since_a_draft_of_no_tokens_aborts_llama_server():
    assert DraftArgs().expand(0) == ("--spec-type", "none")


def test_a_user_may_give_either_part():
    assert DraftArgs.given(None, None) == DraftArgs()
    assert DraftArgs.given("--draft {k}", None).expand(0) == ("--spec-type", "none")
    assert DraftArgs.given("--draft {k}", "").expand(0) == ()
    assert DraftArgs.given("--draft '{\"n\": {k}}'", "").expand(3) == ("--draft", '{"n": 3}')


@pytest.mark.parametrize(
    ("with_k", "without", "problem"),
    [
        ("--draft 4", "", r"hold no \{k\}"),
        ("--draft '{k}", "", "nothing that ends it"),
        ("{k}", '"', "nothing that ends it"),
    ],
)
def test_arguments_that_cannot_work_are_refused(with_k, without, problem):
    with pytest.raises(ValueError, match=problem):
        DraftArgs(with_k, without)


def test_at_k_0_nothing_of_k_above_0_may_be_left():
    mtp = DraftArgs("--spec-draft-n-max {k}", "--spec-type none")
    assert mtp.replaced_flags(4) == {"--spec-draft-n-max"}
    assert mtp.replaced_flags(0) == {"--spec-draft-n-max", "--spec-type"}
