from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.decision import Decision, Setting
from halospec_server.decoding.generation import Generation, Prefill, Round, Step, TokenLogprob
from halospec_server.jobs.completion import MOST_DECISIONS, Completion, DecisionTaken, Written
from tiny_engines import GREEDY

GENERATION = Generation((1,), 100, GREEDY)
PREFILL = Prefill(cached=0, target_ns=1, draft_ns=0, sample_ns=0)
ROUND = Round(
    limit=4, k=4, accepted=4, draft_ns=1, catch_up_ns=0, verify_ns=1, sample_ns=0, sequences=1, width=5, threads=1,
    draft_threads=1,
)  # fmt: skip


def completion_of(pieces: Sequence[bytes], stops: tuple[str, ...] = ()) -> Completion:
    """Token ``n`` is spelt like the n-th piece."""
    return Completion(GENERATION, stops, lambda token: pieces[token])


def step_of(*tokens: int, first: bool = False, ended: bool = False) -> Step:
    logprobs = tuple(TokenLogprob(token, -1.0, ()) for token in tokens)
    return Step(tokens, PREFILL if first else ROUND, ended=ended, finished=ended, logprobs=logprobs)


def taken(completion: Completion, *steps: Step) -> list[Written | None]:
    return [completion.take(step, now_ns) for now_ns, step in enumerate(steps, start=1)]


def spelt(written: Written, pieces: Sequence[bytes]) -> str:
    return b"".join(pieces[each.token] for each in written.logprobs).decode()


def test_text_and_its_tokens_come_together() -> None:
    pieces = [b"a", b"bc", b"d"]
    first, second = taken(completion_of(pieces), step_of(0, first=True), step_of(1, 2))
    assert first is not None
    assert second is not None
    assert [(written.text, spelt(written, pieces)) for written in (first, second)] == [("a", "a"), ("bcd", "bcd")]


def test_the_parts_of_a_character_come_with_it() -> None:
    smile = "🙂".encode()
    pieces = [smile[:2], smile[2:3], smile[3:] + b"a"]
    nothing, still_nothing, whole = taken(completion_of(pieces), step_of(0, first=True), step_of(1), step_of(2))
    assert nothing is still_nothing is None
    assert whole is not None
    assert (whole.text, spelt(whole, pieces)) == ("🙂a", "🙂a")


def test_what_a_stop_string_cuts_off_is_no_token_of_the_text() -> None:
    completion = completion_of([b"ab", b"cS", b"T", b"d"], ("ST",))
    first, held, nothing = taken(completion, step_of(0, first=True), step_of(1), step_of(2, 3))
    assert first is not None
    assert held is not None
    assert (held.text, [each.token for each in held.logprobs]) == ("c", [1]), "a token that begins in the text"
    assert nothing is None
    assert completion.stopped
    assert completion.finish() is None
    account = completion.account(9)
    assert (account.finish_reason, account.completion_tokens) == ("stop", 3), "the fourth came after the stop"


def test_what_only_might_have_been_a_stop_string_comes_at_the_end() -> None:
    completion = completion_of([b"a", b"S"], ("ST",))
    _, held = taken(completion, step_of(0, first=True), step_of(1))
    assert held is None
    rest = completion.finish()
    assert rest is not None
    assert (rest.text, [each.token for each in rest.logprobs]) == ("S", [1])
    assert completion.account(9).finish_reason == "length"


def test_a_token_without_text_comes_at_the_end() -> None:
    completion = completion_of([b"a", b""])
    taken(completion, step_of(0, first=True), step_of(1, ended=True))
    rest = completion.finish()
    assert rest is not None
    assert (rest.text, [each.token for each in rest.logprobs]) == ("", [1])
    assert completion.account(9).finish_reason == "stop"


@given(
    st.lists(st.binary(min_size=0, max_size=3), min_size=1, max_size=12),
    st.lists(st.text("abé", min_size=1, max_size=3), max_size=2),
    st.data(),
)
def test_each_token_is_told_at_most_once_in_order_and_all_of_them_without_a_stop(
    pieces: list[bytes], stops: list[str], data: st.DataObject
) -> None:
    completion = completion_of(pieces, tuple(stops))
    told: list[int] = []
    place = 0
    while place < len(pieces) and not completion.stopped:
        width = data.draw(st.integers(1, 4))
        tokens = range(place, min(place + width, len(pieces)))
        written = completion.take(step_of(*tokens, first=place == 0), 1)
        told += [each.token for each in written.logprobs] if written else []
        place += width
    rest = completion.finish()
    told += [each.token for each in rest.logprobs] if rest else []
    assert told == list(range(len(told)))
    if not completion.stopped:
        assert told == list(range(len(pieces)))


def test_a_text_that_never_began_has_an_account() -> None:
    account = completion_of([]).account(5, deadline_exceeded=True)
    assert (account.completion_tokens, account.prefill, account.first_token_ns) == (0, None, None)
    assert (account.prompt_ns, account.predicted_ns, account.cached) == (0, 0, 0)
    assert (account.finish_reason, account.deadline_exceeded) == ("length", True)


def test_times_run_from_the_slot_to_the_first_token_and_on_to_the_last() -> None:
    completion = completion_of([b"a", b"b"])
    completion.admitted_ns = 100
    completion.take(step_of(0, first=True), 130)
    completion.take(step_of(1), 170)
    account = completion.account(200)
    assert (account.prompt_ns, account.predicted_ns, account.ended_ns) == (30, 40, 200)


def test_decisions_are_kept_with_the_round_they_were_taken_for_and_not_without_end() -> None:
    completion = completion_of([b"a"])
    completion.take(step_of(0, first=True), 0)
    decisions = [Decision(Setting(k % 2), f"decision {k}") for k in range(MOST_DECISIONS + 5)]
    for decision in decisions:
        completion.take(step_of(0), 1)
        completion.take(replace(step_of(0), decision=decision), 1)
    account = completion.account(2)
    assert len(account.rounds) == 2 * len(decisions)
    assert account.decisions == tuple(
        DecisionTaken(2 * i + 1, each) for i, each in enumerate(decisions[:MOST_DECISIONS])
    )
