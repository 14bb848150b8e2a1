"""Whatever a draft is drawn from, what the verifier lets out is distributed as the target says.

Of one place in the text this is shown without chance: a verdict depends on at most two numbers drawn from the unit
interval, so how much of the interval leads to which verdict is found by bisection, and from that the probability of
every token. Of several places together it is shown by sampling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from halospec_server.decoding.sampling import Probabilities, Sampling, draw
from halospec_server.drafters.protocol import Draft
from halospec_server.verifiers.protocol import Verdict
from halospec_server.verifiers.rejection import RejectionVerifier
from plain_sampling import is_clear_cut, plain_distribution

Distribution = NDArray[np.float64]
Row = NDArray[np.float32]
DRAWS = 3000
N = 4
ALMOST_ONE = float(np.nextafter(1.0, 0.0))
UNCHANGED = Sampling(1.0)


def shares(numbers: list[int]) -> Distribution:
    return np.array(numbers, dtype=np.float64) / sum(numbers)


# Of small whole numbers, zeros among them, so that supports differ.
distributions = st.lists(st.integers(0, 5), min_size=N, max_size=N).filter(any).map(shares)
proposals = st.lists(st.integers(0, 5), min_size=1, max_size=N).filter(any).map(lambda x: single(shares(x)))
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.3, 0.7, 1.0, 1.7]),
    top_p=st.sampled_from([0.3, 0.8, 1.0]),
    top_k=st.integers(0, N),
    min_p=st.sampled_from([0.0, 0.1, 0.7]),
)


def single(p: Distribution) -> Probabilities:
    return p.astype(np.float32)


def logits(*ps: Distribution) -> Row:
    with np.errstate(divide="ignore"):
        return single(np.log(np.stack(ps)))


class Scripted(np.random.Generator):
    """Gives the numbers it was told to, in turn."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(np.random.PCG64(0))
        self._numbers = iter(numbers)

    def random(self, *_args: object, **_options: object) -> float:  # type: ignore[override]
        return next(self._numbers)


def next_token(sampling: Sampling, draft: Draft, p: Distribution) -> Distribution:
    """Return the probabilities of the token that follows the text when a draft of one token or none is verified."""
    rows = logits(p, p)[: len(draft.tokens) + 1]

    def verdict(*numbers: float) -> Verdict:
        return RejectionVerifier(sampling, Scripted(*numbers)).verify(draft, rows)

    if not draft.tokens:
        return steps(lambda number: verdict(number).token)
    kept = share(lambda number: verdict(number, 0.0).accepted == 1)
    result = np.zeros(N)
    if kept < 1 - 1e-8:
        result = (1 - kept) * steps(lambda number: verdict(ALMOST_ONE, number).token)
    result[draft.tokens[0]] += kept
    return result


def steps(token_at: Callable[[float], int]) -> Distribution:
    """Return how much of the unit interval leads to each token; ids grow along it."""

    def up_to(token: int) -> float:
        return share(lambda number: token_at(number) <= token)

    return np.diff([up_to(token) for token in range(N)], prepend=0.0)


def share(holds: Callable[[float], bool]) -> float:
    """Return up to where in the unit interval a condition holds that holds from 0 on."""
    low, high = 0.0, 1.0
    for _ in range(27):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high


def drawn_and_verified(sampling: Sampling, q: Probabilities, p: Distribution) -> Distribution:
    """Return the probabilities of the token that follows when one is drawn from q and verified."""
    result = np.zeros(N)
    for x in np.flatnonzero(q).tolist():
        result += q[x] * next_token(sampling, Draft((x,), (q,)), p)
    return result


@settings(max_examples=60, deadline=None)
@given(p=distributions, q=proposals, sampling=samplings)
def test_one_token_drawn_from_q_comes_out_as_the_target_says(
    p: Distribution, q: Probabilities, sampling: Sampling
) -> None:
    row = logits(p)[0]
    assume(is_clear_cut(row, sampling))
    np.testing.assert_allclose(drawn_and_verified(sampling, q, p), plain_distribution(row, sampling), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(p=distributions, proposed=st.integers(0, N - 1), sampling=samplings)
def test_a_proposal_that_was_not_drawn_is_a_point_mass(p: Distribution, proposed: int, sampling: Sampling) -> None:
    row = logits(p)[0]
    assume(is_clear_cut(row, sampling))
    expected = plain_distribution(row, sampling)
    np.testing.assert_allclose(next_token(sampling, Draft((proposed,)), p), expected, atol=1e-6)


@given(p=distributions, sampling=samplings)
def test_without_a_draft_a_token_is_drawn_as_the_target_says(p: Distribution, sampling: Sampling) -> None:
    row = logits(p)[0]
    assume(is_clear_cut(row, sampling))
    np.testing.assert_allclose(next_token(sampling, Draft(()), p), plain_distribution(row, sampling), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(p=distributions, q=proposals, p_min=st.floats(0.0, 1.0))
def test_a_draft_may_end_where_no_token_is_likely_enough(p: Distribution, q: Probabilities, p_min: float) -> None:
    ends = q.max() < p_min
    written = next_token(UNCHANGED, Draft(()), p) if ends else drawn_and_verified(UNCHANGED, q, p)
    np.testing.assert_allclose(written, p, atol=1e-6)


def test_but_not_where_the_token_drawn_is_an_unlikely_one() -> None:
    # Even a draft that agrees with the target: rare tokens are drawn again, and so become rarer still.
    p = np.array([0.5, 0.3, 0.1, 0.1])
    q, p_min = single(p), 0.2
    written = np.zeros(N)
    for token in range(N):
        draft = Draft((token,), (q,)) if q[token] >= p_min else Draft(())
        written += q[token] * next_token(UNCHANGED, draft, p)
    np.testing.assert_allclose(written, [0.6, 0.36, 0.02, 0.02], atol=1e-6)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    ps=st.tuples(distributions, distributions, distributions),
    qs=st.lists(proposals, min_size=1, max_size=2).map(tuple),
)
def test_two_tokens_come_out_as_the_target_alone_would_write_them(
    ps: tuple[Distribution, ...], qs: tuple[Probabilities, ...]
) -> None:
    rng = np.random.default_rng(2)
    verifier = RejectionVerifier(UNCHANGED, rng)
    rows = logits(*ps)
    outcomes: Counter[tuple[int, int]] = Counter()
    for _ in range(DRAWS):
        proposed = tuple(draw(q, rng) for q in qs)
        verdict = verifier.verify(Draft(proposed, qs), rows[: len(qs) + 1])
        text = [*proposed[: verdict.accepted], verdict.token]
        if len(text) == 1:  # the next round, without a draft
            text.append(verifier.verify(Draft(()), rows[1:2]).token)
        outcomes[text[0], text[1]] += 1
    assert_distributed(outcomes, {(a, b): ps[0][a] * ps[1][b] for a in range(N) for b in range(N)})


def assert_distributed(outcomes: Counter[tuple[int, int]], expected: dict[tuple[int, int], float]) -> None:
    impossible = [outcome for outcome in outcomes if expected[outcome] == 0.0]
    assert impossible == []
    possible = [outcome for outcome, p in expected.items() if p > 0]
    if len(possible) > 1:
        counts = [outcomes[outcome] for outcome in possible]
        result = stats.chisquare(counts, [outcomes.total() * expected[o] for o in possible], sum_check=False)
        assert result.pvalue > 1e-6


@pytest.mark.parametrize("number", [0.0, 0.5, ALMOST_ONE])
def test_a_draft_that_agrees_with_the_target_is_always_kept(number: float) -> None:
    p = np.array([0.1, 0.2, 0.3, 0.4])
    rows = logits(p, p)
    q = UNCHANGED.distribution(rows[0])
    for token in range(N):
        verdict = RejectionVerifier(UNCHANGED, Scripted(number, 0.0)).verify(Draft((token,), (q,)), rows)
        assert verdict.accepted == 1


@pytest.mark.parametrize("number", [0.0, 0.5, ALMOST_ONE])
def test_what_the_target_never_writes_is_never_kept(number: float) -> None:
    p, q = np.array([0.0, 0.5, 0.5, 0.0]), single(np.array([0.5, 0.0, 0.0, 0.5]))
    for proposed in (0, 3):
        for draft in (Draft((proposed,), (q,)), Draft((proposed,))):
            verdict = RejectionVerifier(UNCHANGED, Scripted(number, number)).verify(draft, logits(p, p))
            assert verdict == Verdict(accepted=0, token=1 if number == 0.0 else 2)


def test_nothing_after_the_first_refusal_is_looked_at() -> None:
    p, q = np.array([0.0, 1.0, 0.0, 0.0]), single(np.array([0.5, 0.5, 0.0, 0.0]))
    verifier = RejectionVerifier(UNCHANGED, np.random.default_rng(4))
    assert verifier.verify(Draft((1, 0, 1), (q, q, q)), logits(p, p)) == Verdict(accepted=1, token=1)
