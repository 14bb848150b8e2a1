"""Above temperature 0 the text is distributed as the target's own, whatever is drafted.

The engine's first three tokens, jointly, over thousands of seeds, against probabilities written out by running the
target alone over every prefix that matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from halospec_server.drafters.protocol import Draft
from halospec_server.engine import Engine, Generation, exact_verifier
from halospec_server.llama import Context, Logits
from halospec_server.sampling import Sampling, draw
from halospec_server.verifiers.protocol import Verdict, Verifier
from tiny_engines import prompt_of, rounds_of
from tiny_models import BOS, FIRST_PIECE, N_VOCAB

SEEDS = 5000
WATCHED = 3
"""Tokens: the first comes from the pass over the prompt, the others from rounds."""
FEWEST_EXPECTED = 5.0
"""Cells with fewer are pooled, for the chi-square approximation to hold."""

Text = tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """What was written how often, and what speculation had to do with it."""

    texts: Counter[Text]
    drafted: int
    accepted: int


@pytest.mark.parametrize(
    ("sampling", "draft_length"),
    [
        pytest.param(Sampling(1.0), 3, id="temperature 1"),
        pytest.param(Sampling(1.0), 1, id="temperature 1, the third token after the draft"),
        pytest.param(Sampling(0.7, top_p=0.8), 3, id="temperature 0.7 and top_p 0.8"),
    ],
)
def test_the_first_three_tokens_are_distributed_as_the_targets_own(
    engine: Engine, sampling: Sampling, draft_length: int
) -> None:
    prompt = worth_drafting_for(engine)
    sample = draw_sample(engine, prompt, sampling, draft_length)
    assert 0 < sample.accepted < sample.drafted
    assert sample.drafted > 0.9 * SEEDS * draft_length
    assert chi_square_p_value(sample.texts, exact_cells(engine.target, prompt, sampling)) > 1e-3


def test_the_same_test_fails_when_every_drafted_token_is_accepted(engine: Engine) -> None:
    prompt, sampling = worth_drafting_for(engine), Sampling(1.0)
    credulous = Engine(engine.target, engine.drafter, AcceptEverything)
    sample = draw_sample(credulous, prompt, sampling)
    assert sample.accepted == sample.drafted > 0
    assert chi_square_p_value(sample.texts, exact_cells(engine.target, prompt, sampling)) < 1e-6


def test_it_fails_too_when_the_token_after_a_refusal_is_drawn_from_the_target_instead_of_the_residual(
    model_engine: Engine,
) -> None:
    prompt, sampling = worth_drafting_for(model_engine), Sampling(1.0)
    biased = Engine(model_engine.target, model_engine.drafter, RedrawFromTheTarget)
    sample = draw_sample(biased, prompt, sampling)
    assert chi_square_p_value(sample.texts, exact_cells(model_engine.target, prompt, sampling)) < 1e-6


def test_equal_seeds_repeat_a_text_and_others_do_not(engine: Engine) -> None:
    def written(seed: int) -> Text:
        generation = Generation(prompt_of("ka ti"), 12, Sampling(1.0), 4, seed)
        return tuple(token for step in engine.generate(generation) for token in step.tokens)

    assert [written(seed) for seed in range(20)] == [written(seed) for seed in range(20)]
    assert len({written(seed) for seed in range(20)}) > 10
    unseeded = Generation(prompt_of("ka ti"), 12, Sampling(1.0), 4)
    assert len({tuple(step.tokens for step in engine.generate(unseeded)) for _ in range(20)}) > 1


def worth_drafting_for(engine: Engine) -> Text:
    """Return a prompt after which the engine's drafter proposes something, whatever the first token is."""
    return prompt_of("ti sa") if engine.drafter_name == "model" else _full_of_precedents(engine.target)


def _full_of_precedents(target: Context) -> Text:
    """Have every piece follow the last word somewhere, and after each piece what the target likes best there."""
    last_word = prompt_of("mi")[1:]

    def with_precedents(likes: dict[int, int]) -> Text:
        return (BOS, *last_word, *(token for piece, liked in likes.items() for token in (piece, liked, *last_word)))

    likes = dict.fromkeys(range(FIRST_PIECE, N_VOCAB), FIRST_PIECE)
    for _ in range(2):  # what it likes depends on the prompt, which depends on what it likes
        prompt = with_precedents(likes)
        likes = {
            piece: int(next_token_probabilities(target, (*prompt, piece), Sampling(1.0)).argmax()) for piece in likes
        }
    return with_precedents(likes)


def draw_sample(engine: Engine, prompt: Text, sampling: Sampling, draft_length: int = 3) -> Sample:
    """Write the beginnings of `SEEDS` texts; each request is long enough for full drafts in the watched positions."""
    texts: Counter[Text] = Counter()
    drafted = accepted = 0
    for seed in range(SEEDS):
        written: list[int] = []
        for step in engine.generate(Generation(prompt, 6, sampling, draft_length, seed)):
            written += step.tokens
            for entry in rounds_of([step]):
                drafted += entry.k
                accepted += entry.accepted
            if len(written) >= WATCHED:
                break
        texts[tuple(written[:WATCHED])] += 1
    return Sample(texts, drafted, accepted)


def exact_cells(target: Context, prompt: Text, sampling: Sampling) -> dict[Text, float]:
    """Return the probability of every text of `WATCHED` tokens, or fewer up to an end, that is not to be pooled."""
    ends = set(target.model.end_tokens.tolist())

    def likely(prefix: Text, probability: float) -> Iterator[tuple[Text, float]]:
        if len(prefix) == WATCHED or ends & set(prefix):
            yield prefix, probability
            return
        following = next_token_probabilities(target, prompt + prefix, sampling)
        for token in np.flatnonzero(probability * following * SEEDS >= FEWEST_EXPECTED).tolist():
            yield from likely((*prefix, token), probability * following[token])

    return dict(likely((), 1.0))


def next_token_probabilities(target: Context, text: Text, sampling: Sampling) -> NDArray[np.float64]:
    """Apply temperature and nucleus as their definitions say, independently of the server's own code."""
    target.reset()
    rows = target.decode(text, "last")
    assert rows is not None
    weights = np.exp(rows[0].astype(np.float64) / sampling.temperature)
    p: NDArray[np.float64] = weights / weights.sum()
    most_likely_first = sorted(range(len(p)), key=lambda token: -p[token])
    mass = 0.0
    for rank, token in enumerate(most_likely_first):
        mass += p[token]
        if mass >= sampling.top_p:
            p[most_likely_first[rank + 1 :]] = 0.0
            break
    result: NDArray[np.float64] = p / p.sum()
    return result


def chi_square_p_value(observed: Counter[Text], cells: dict[Text, float]) -> float:
    """Return how likely counts so far from the cells' probabilities are; what is in no cell is pooled in one."""
    expected = np.array([SEEDS * probability for probability in cells.values()])
    counts = np.array([observed[text] for text in cells], dtype=np.float64)
    rest = SEEDS - expected.sum()
    assert len(cells) > 20
    if rest >= FEWEST_EXPECTED:
        expected, counts = np.append(expected, rest), np.append(counts, SEEDS - counts.sum())
    else:
        expected[-1] += rest
        counts[-1] += SEEDS - counts.sum()
    return float(stats.chisquare(counts, expected, sum_check=False).pvalue)


@dataclass(frozen=True)
class AcceptEverything:
    """Believes the draft: the mistake that the test is there to notice."""

    sampling: Sampling
    rng: np.random.Generator

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        k = len(draft.tokens)
        return Verdict(accepted=k, token=draw(self.sampling.distribution(rows[k]), self.rng))


@dataclass(frozen=True)
class RedrawFromTheTarget:
    """Refuses as it should, but then draws from p where only (p − q)₊ makes up for what was accepted."""

    sampling: Sampling
    rng: np.random.Generator

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        exact: Verifier = exact_verifier(self.sampling, self.rng)
        verdict = exact.verify(draft, rows)
        if verdict.accepted == len(draft.tokens):
            return verdict
        return Verdict(verdict.accepted, draw(self.sampling.distribution(rows[verdict.accepted]), self.rng))
