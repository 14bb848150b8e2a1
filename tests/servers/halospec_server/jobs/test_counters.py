from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Prefill, Round
from halospec_server.jobs.counters import Counters

rounds = st.integers(0, MAX_DRAFT_LENGTH).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k)))


def round_of(k: int, accepted: int) -> Round:
    return Round(
        limit=k, k=k, accepted=accepted, draft_ns=0, catch_up_ns=0, verify_ns=0, sample_ns=0, sequences=1, width=k + 1,
        threads=1, draft_threads=1,
    )  # fmt: skip


@given(st.lists(rounds))
def test_counts_by_position_add_up_to_the_totals(done: list[tuple[int, int]]) -> None:
    counters = Counters()
    for k, accepted in done:
        counters.count(round_of(k, accepted), prompt_tokens=5, new_tokens=accepted + 1, spent_ns=10)
    positions = range(MAX_DRAFT_LENGTH)
    assert counters.drafts == sum(k > 0 for k, _ in done)
    assert counters.drafted == sum(k for k, _ in done) == sum(map(counters.drafted_at, positions))
    assert counters.accepted == sum(a for _, a in done) == sum(map(counters.accepted_at, positions))
    assert [counters.accepted_at(place) for place in positions] == [
        sum(a > place for _, a in done) for place in positions
    ]
    assert counters.generated_tokens == sum(a + 1 for _, a in done)
    assert (counters.generating_ns, counters.prompt_ns) == (10 * len(done), 0)


def test_a_prompt_counts_by_what_was_decoded_and_what_was_known() -> None:
    counters = Counters()
    counters.count(Prefill(cached=3, target_ns=1, draft_ns=1, sample_ns=1), prompt_tokens=10, new_tokens=1, spent_ns=50)
    assert (counters.prompt_tokens, counters.cached_tokens, counters.generated_tokens) == (7, 3, 1)
    assert (counters.prompt_ns, counters.generating_ns) == (50, 0)
