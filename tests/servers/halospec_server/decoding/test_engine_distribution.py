"""Above temperature 0 the text is distributed as the target's own, whatever is drafted.

The engine's first three tokens, jointly, over thousands of seeds, against probabilities written out by running the
target alone over every prefix that matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import RoundController, RoundRule
from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.sharing import EachAnew
from halospec_server.decoding.engine import Engine, exact_verifier
from halospec_server.decoding.generation import Generation
from halospec_server.decoding.sampling import Sampling, draw
from halospec_server.drafters.protocol import Draft
from halospec_server.llama import Logits
from halospec_server.verifiers.protocol import Verdict, Verifier
from plain_decoding import PlainDecoder
from scripted_rules import ScriptedRule, WatchingStop, always
from tiny_engines import DrafterName, Pair, open_engine, prompt_of, rounds_of
from tiny_models import BOS, EOS, FIRST_PIECE, IM_END, N_VOCAB

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
    ("sampling", "draft_length", "p_min"),
    [
        pytest.param(Sampling(1.0), 3, 0.0, id="temperature 1"),
        pytest.param(Sampling(1.0), 1, 0.0, id="temperature 1, the third token after the draft"),
        pytest.param(Sampling(0.7, top_p=0.8), 3, 0.0, id="temperature 0.7 and top_p 0.8"),
        pytest.param(Sampling(1.5, top_k=12, min_p=0.02), 3, 0.0, id="temperature 1.5, top_k 12, min_p 0.02"),
        pytest.param(
            Sampling(1.0, presence_penalty=1.5, frequency_penalty=1.0, logit_bias=((FIRST_PIECE, 1.0),)),
            3,
            0.0,
            id="penalties and a bias",
        ),
        pytest.param(Sampling(1.0), 3, 0.5, id="temperature 1, drafts that end early"),
    ],
)
def test_the_first_three_tokens_are_distributed_as_the_targets_own(
    engine: Engine, alone: PlainDecoder, sampling: Sampling, draft_length: int, p_min: float
) -> None:
    prompt = worth_drafting_for(engine, alone)
    sample = draw_sample(engine, prompt, sampling, draft_length, p_min)
    assert 0 < sample.accepted < sample.drafted
    full = 0.9 * SEEDS * draft_length
    ends_early = p_min > 0 and engine.default_drafter == "model"
    assert sample.drafted < full if ends_early else sample.drafted > full
    assert chi_square_p_value(sample.texts, exact_cells(alone, prompt, sampling)) > 1e-3


def test_sequences_decoded_together_are_distributed_as_alone(tiny_pair: Pair, alone: PlainDecoder) -> None:
    prompt, sampling = prompt_of("ti sa"), Sampling(1.0)
    texts: Counter[Text] = Counter()
    with closing(open_engine(tiny_pair, parallel=4)) as engine:
        waiting = [Generation(prompt, 6, sampling, draft_length=seed % 5, seed=seed) for seed in range(SEEDS)]
        while waiting or engine.free < engine.parallel:
            while waiting and engine.free:
                engine.admit(waiting.pop())
            for sequence, step in engine.step():
                if step.finished:
                    texts[tuple(sequence.tokens[len(prompt) :][:WATCHED])] += 1
    assert chi_square_p_value(texts, exact_cells(alone, prompt, sampling)) > 1e-3


def test_a_repeated_seed_is_not_foretold_by_what_was_learned_from_its_first_text(
    tiny_pair: Pair, alone: PlainDecoder
) -> None:
    prompt, sampling = prompt_of("ti sa"), Sampling(1.0)
    second: Counter[Text] = Counter()
    drafted = 0
    with closing(open_engine(tiny_pair, "ngram_store")) as engine:
        for seed in range(SEEDS):
            for texts in (Counter[Text](), second):
                steps = list(engine.generate(Generation(prompt, 6, sampling, 3, seed=seed)))
                texts[tuple(token for step in steps for token in step.tokens)[:WATCHED]] += 1
            drafted += sum(done.k for done in rounds_of(steps))
    assert drafted > 0
    assert chi_square_p_value(second, exact_cells(alone, prompt, sampling)) > 1e-3


def test_a_policys_stop_leaves_the_distribution_alone(tiny_pair: Pair, alone: PlainDecoder) -> None:
    prompt, sampling = prompt_of("ti sa"), Sampling(1.0)
    stop = WatchingStop(lambda place: place.top_probability < 0.5 or place.entropy > 2.0)
    with closing(open_engine(tiny_pair, make_rule=ScriptedRule((Setting(3),), stop).make)) as engine:
        sample = draw_sample(engine, prompt, sampling, None)
    assert 0 < sample.accepted < sample.drafted < 0.9 * SEEDS * 3
    assert chi_square_p_value(sample.texts, exact_cells(alone, prompt, sampling)) > 1e-3


def test_a_repeated_seed_is_not_foretold_by_a_policy_that_saw_its_first_text(
    tiny_pair: Pair, alone: PlainDecoder
) -> None:
    texts, plain_rounds = second_texts(tiny_pair, Grudge())
    assert 0 < plain_rounds < SEEDS
    assert chi_square_p_value(texts, exact_cells(alone, prompt_of("ti sa"), Sampling(1.0))) > 1e-3


def test_the_same_test_fails_for_a_policy_that_passes_for_one_without_a_memory(
    tiny_pair: Pair, alone: PlainDecoder
) -> None:
    texts, _ = second_texts(tiny_pair, SecretGrudge())
    assert chi_square_p_value(texts, exact_cells(alone, prompt_of("ti sa"), Sampling(1.0))) < 1e-6


@pytest.mark.parametrize("drafter", ["model", "prompt_lookup"])
def test_the_same_test_fails_when_every_drafted_token_is_accepted(
    tiny_pair: Pair, alone: PlainDecoder, drafter: DrafterName
) -> None:
    sampling = Sampling(1.0)
    with closing(open_engine(tiny_pair, drafter, AcceptEverything)) as credulous:
        prompt = worth_drafting_for(credulous, alone)
        sample = draw_sample(credulous, prompt, sampling)
    assert sample.accepted == sample.drafted > 0
    assert chi_square_p_value(sample.texts, exact_cells(alone, prompt, sampling)) < 1e-6


def test_it_fails_too_when_the_token_after_a_refusal_is_drawn_from_the_target_instead_of_the_residual(
    tiny_pair: Pair, alone: PlainDecoder
) -> None:
    sampling = Sampling(1.0)
    with closing(open_engine(tiny_pair, "model", RedrawFromTheTarget)) as biased:
        prompt = worth_drafting_for(biased, alone)
        sample = draw_sample(biased, prompt, sampling)
    assert chi_square_p_value(sample.texts, exact_cells(alone, prompt, sampling)) < 1e-6


def test_equal_seeds_repeat_a_text_and_others_do_not(engine: Engine) -> None:
    def written(seed: int) -> Text:
        generation = Generation(prompt_of("ka ti"), 12, Sampling(1.0), 4, seed=seed)
        return tuple(token for step in engine.generate(generation) for token in step.tokens)

    assert [written(seed) for seed in range(20)] == [written(seed) for seed in range(20)]
    assert len({written(seed) for seed in range(20)}) > 10
    unseeded = Generation(prompt_of("ka ti"), 12, Sampling(1.0), 4)
    assert len({tuple(step.tokens for step in engine.generate(unseeded)) for _ in range(20)}) > 1


def worth_drafting_for(engine: Engine, alone: PlainDecoder) -> Text:
    """Return a prompt after which the engine's drafter proposes something, whatever the first token is."""
    return prompt_of("ti sa") if engine.default_drafter == "model" else _full_of_precedents(alone)


def _full_of_precedents(alone: PlainDecoder) -> Text:
    """Have every piece follow the last word somewhere, and after each piece what the target likes best there."""
    last_word = prompt_of("mi")[1:]

    def with_precedents(likes: dict[int, int]) -> Text:
        return (BOS, *last_word, *(token for piece, liked in likes.items() for token in (piece, liked, *last_word)))

    likes = dict.fromkeys(range(FIRST_PIECE, N_VOCAB), FIRST_PIECE)
    for _ in range(2):  # what it likes depends on the prompt, which depends on what it likes
        prompt = with_precedents(likes)
        likes = {
            piece: int(next_token_probabilities(alone, prompt, (piece,), Sampling(1.0)).argmax()) for piece in likes
        }
    return with_precedents(likes)


def second_texts(pair: Pair, rule: RoundRule) -> tuple[Counter[Text], int]:
    """Write each seed's text twice under a policy; return the second ones, and how many rounds of them drafted none."""
    second: Counter[Text] = Counter()
    plain_rounds = 0
    with closing(open_engine(pair, make_rule=always(rule))) as engine:
        for seed in range(SEEDS):
            for texts in (Counter[Text](), second):
                steps = list(engine.generate(Generation(prompt_of("ti sa"), WATCHED, Sampling(1.0), None, seed=seed)))
                texts[tuple(token for step in steps for token in step.tokens)[:WATCHED]] += 1
            plain_rounds += sum(done.limit == 0 for done in rounds_of(steps)[:1])
    return second, plain_rounds


def draw_sample(
    engine: Engine, prompt: Text, sampling: Sampling, draft_length: int | None = 3, p_min: float = 0.0
) -> Sample:
    """Write the beginnings of `SEEDS` texts; each request is long enough for full drafts in the watched positions."""
    texts: Counter[Text] = Counter()
    drafted = accepted = 0
    for seed in range(SEEDS):
        written: list[int] = []
        for step in engine.generate(Generation(prompt, 6, sampling, draft_length, p_min=p_min, seed=seed)):
            written += step.tokens
            for entry in rounds_of([step]):
                drafted += entry.k
                accepted += entry.accepted
            if len(written) >= WATCHED:
                break
        texts[tuple(written[:WATCHED])] += 1
    return Sample(texts, drafted, accepted)


def exact_cells(alone: PlainDecoder, prompt: Text, sampling: Sampling) -> dict[Text, float]:
    """Return the probability of every text of `WATCHED` tokens, or fewer up to an end, that is not to be pooled."""
    ends = {EOS, IM_END}

    def likely(prefix: Text, probability: float) -> Iterator[tuple[Text, float]]:
        if len(prefix) == WATCHED or ends & set(prefix):
            yield prefix, probability
            return
        following = next_token_probabilities(alone, prompt, prefix, sampling)
        for token in np.flatnonzero(probability * following * SEEDS >= FEWEST_EXPECTED).tolist():
            yield from likely((*prefix, token), probability * following[token])

    return dict(likely((), 1.0))


def next_token_probabilities(
    alone: PlainDecoder, prompt: Text, written: Text, sampling: Sampling
) -> NDArray[np.float64]:
    """Apply every setting as its definition says, independently of the server's own code."""
    logits = alone.logits_after(prompt + written).astype(np.float64)
    for token, bias in sampling.logit_bias:
        logits[token] += bias
    for token, count in Counter(written).items():
        logits[token] -= sampling.presence_penalty + sampling.frequency_penalty * count
    weights = np.exp((logits - logits.max()) / sampling.temperature)
    p: NDArray[np.float64] = weights / weights.sum()
    most_likely_first = sorted(range(len(p)), key=lambda token: -p[token])
    if sampling.top_k:
        p[most_likely_first[sampling.top_k :]] = 0.0
        p /= p.sum()
    mass = 0.0
    for rank, token in enumerate(most_likely_first):
        mass += p[token]
        if mass >= sampling.top_p:
            p[most_likely_first[rank + 1 :]] = 0.0
            break
    p[p < sampling.min_p * p.max()] = 0.0
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


class Grudge:
    """Drafts one token a round, but none in every other text if the first draft of the one before it was refused."""

    def __init__(self) -> None:
        self._texts = 0
        self.offended = False

    def for_text(self) -> RoundController:
        self._texts += 1
        return _Grudging(self, bears=self._texts % 2 == 0)


class SecretGrudge(EachAnew):
    """The same, in the guise of a rule that knows nothing of other texts: the mistake that is to be noticed."""

    def __init__(self) -> None:
        object.__setattr__(self, "_grudge", Grudge())

    def for_text(self) -> RoundController:
        controller: RoundController = self._grudge.for_text()  # type: ignore[attr-defined]
        return controller


@dataclass
class _Grudging:
    rule: Grudge
    bears: bool
    begun: bool = False
    stop: None = None

    def choose(self, sequences: int = 1) -> Setting:
        return Setting(int(not (self.bears and self.rule.offended)))

    def update(self, done: RoundOutcome) -> None:
        if not self.begun and not self.bears:
            self.rule.offended = done.accepted < done.k
        self.begun = True


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
