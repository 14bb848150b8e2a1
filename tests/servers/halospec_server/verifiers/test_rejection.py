"""Whatever a draft is drawn from, what the verifier lets out is distributed as the target says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from halospec_server.drafters.protocol import Draft
from halospec_server.sampling import Sampling, draw
from halospec_server.verifiers.rejection import RejectionVerifier

Distribution = NDArray[np.float64]
DRAWS = 3000
N = 4

# Of small whole numbers, zeros among them, so that supports differ.
distributions = (
    st.lists(st.integers(0, 5), min_size=N, max_size=N)
    .filter(any)
    .map(lambda x: np.array(x, dtype=np.float64) / sum(x))
)


def logits(*ps: Distribution) -> NDArray[np.float32]:
    with np.errstate(divide="ignore"):
        return np.log(np.stack(ps)).astype(np.float32)


def assert_distributed(outcomes: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float]) -> None:
    impossible = [outcome for outcome in outcomes if expected.get(outcome, 0.0) == 0.0]
    assert impossible == []
    possible = [outcome for outcome, p in expected.items() if p > 0]
    if len(possible) > 1:
        counts = [outcomes[outcome] for outcome in possible]
        result = stats.chisquare(counts, [outcomes.total() * expected[o] for o in possible], sum_check=False)
        assert result.pvalue > 1e-6


@settings(max_examples=40, deadline=None, derandomize=True)
@given(p=distributions, q=distributions)
def test_one_token_drawn_from_q_comes_out_as_p(p: Distribution, q: Distribution) -> None:
    rng = np.random.default_rng(1)
    verifier = RejectionVerifier(Sampling(1.0), rng)
    rows = logits(p, np.full(N, 1 / N))
    outcomes: Counter[tuple[int, ...]] = Counter()
    for _ in range(DRAWS):
        proposed = draw(q, rng)
        verdict = verifier.verify(Draft((proposed,), (q,)), rows)
        outcomes[(proposed if verdict.accepted else verdict.token,)] += 1
    assert_distributed(outcomes, {(token,): p[token] for token in range(N)})


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    ps=st.tuples(distributions, distributions, distributions),
    qs=st.lists(distributions, min_size=1, max_size=2).map(tuple),
)
def test_two_tokens_come_out_as_the_target_alone_would_write_them(
    ps: tuple[Distribution, ...], qs: tuple[Distribution, ...]
) -> None:
    rng = np.random.default_rng(2)
    verifier = RejectionVerifier(Sampling(1.0), rng)
    rows = logits(*ps)
    outcomes: Counter[tuple[int, ...]] = Counter()
    for _ in range(DRAWS):
        proposed = tuple(draw(q, rng) for q in qs)
        verdict = verifier.verify(Draft(proposed, qs), rows[: len(qs) + 1])
        text = [*proposed[: verdict.accepted], verdict.token]
        if len(text) == 1:  # the next round, without a draft
            text.append(verifier.verify(Draft(()), rows[1:2]).token)
        outcomes[tuple(text[:2])] += 1
    assert_distributed(outcomes, {(a, b): ps[0][a] * ps[1][b] for a in range(N) for b in range(N)})


@settings(max_examples=25, deadline=None, derandomize=True)
@given(p=distributions, proposed=st.integers(0, N - 1))
def test_a_proposal_that_was_not_drawn_is_a_point_mass(p: Distribution, proposed: int) -> None:
    rng = np.random.default_rng(3)
    verifier = RejectionVerifier(Sampling(1.0), rng)
    rows = logits(p, np.full(N, 1 / N))
    outcomes: Counter[tuple[int, ...]] = Counter()
    for _ in range(DRAWS):
        verdict = verifier.verify(Draft((proposed,)), rows)
        assert verdict.accepted or verdict.token != proposed
        outcomes[(proposed if verdict.accepted else verdict.token,)] += 1
    assert_distributed(outcomes, {(token,): p[token] for token in range(N)})


def test_a_draft_that_agrees_with_the_target_is_always_kept() -> None:
    rng = np.random.default_rng(4)
    p = np.array([0.1, 0.2, 0.3, 0.4])
    rows = logits(p, p)
    q = Sampling(1.0).distribution(rows[0])
    verifier = RejectionVerifier(Sampling(1.0), rng)
    assert all(verifier.verify(Draft((draw(q, rng),), (q,)), rows).accepted == 1 for _ in range(500))


def test_what_the_target_never_writes_is_never_kept() -> None:
    rng = np.random.default_rng(5)
    p, q = np.array([0.0, 0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.0, 0.5])
    verifier = RejectionVerifier(Sampling(1.0), rng)
    for proposed in (0, 3):
        verdicts = [verifier.verify(Draft((proposed,), (q,)), logits(p, p)) for _ in range(200)]
        assert {v.accepted for v in verdicts} == {0}
        assert {v.token for v in verdicts} == {1, 2}


def test_the_requests_temperature_and_nucleus_hold_for_the_verdict() -> None:
    rng = np.random.default_rng(6)
    rows = logits(np.array([0.5, 0.3, 0.15, 0.05]))
    verifier = RejectionVerifier(Sampling(1.0, top_p=0.7), rng)
    tokens = [verifier.verify(Draft(()), rows).token for _ in range(2000)]
    assert set(tokens) == {0, 1}
    assert tokens.count(0) / 2000 == pytest.approx(0.5 / 0.8, abs=0.04)


def test_a_draft_of_a_smaller_vocabulary_leaves_the_rest_to_the_target() -> None:
    rng = np.random.default_rng(7)
    p, q = np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.9, 0.1])
    verifier = RejectionVerifier(Sampling(1.0), rng)
    outcomes: Counter[tuple[int, ...]] = Counter()
    for _ in range(DRAWS):
        proposed = draw(q, rng)
        verdict = verifier.verify(Draft((proposed,), (q,)), logits(p, p))
        outcomes[(proposed if verdict.accepted else verdict.token,)] += 1
    assert_distributed(outcomes, {(token,): 0.25 for token in range(N)})
