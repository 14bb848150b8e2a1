"""A recording made of stated parameters instead of measurements, so that every scenario runs without a recording.

Acceptance: the draft agrees with the j-th token since its last mistake with probability h_j (its hazards; one number is
the same for all j). The texts are a third each easy, middling and hard. The draft's probabilities are calibrated: where
it gives its likeliest token the probability p, it is right with probability p; around h_j, p is Beta distributed.

Costs: a pass of the target over b positions takes W + S(b - 1), a pass of the draft c, both times one noise, lognormal
with mean 1 and autocorrelated from round to round (its logarithm an AR(1) process). Under load, and with other threads,
W, S and c are multiples of what they are in the quiet state. Drafts catch up with what they missed in one pass.

A file of them::

    max_length = 8
    rounds = 4000                      # recorded in each state

    [acceptance]
    easy = 0.9                         # or hazards by position, the last for all further ones: [0.9, 0.93, 0.95]
    middling = 0.8
    hard = 0.6
    concentration = 4.0                # of the Beta distribution: small, and the draft's probabilities tell much

    [costs]
    pass_ms = 25.0                     # W
    slope_ms = 2.5                     # S
    draft_ms = 5.0                     # c
    cv = 0.08                          # of the noise
    correlation = 0.5                  # of its logarithm, from one round to the next

    [[states]]                         # the quiet one with the server's own threads is always there
    load = "cpu:2"
    pass = 4.0                         # multiples
    slope = 1.0
    draft = 4.0

    [[states]]
    load = "cpu:2"
    threads = 1
    draft_threads = 1
    pass = 2.7
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from halospec.controllers.missed import AT_THE_START, missed_after
from halospec.controllers.protocol import MAX_DRAFT_LENGTH
from halospec.recordings.types import QUIET, RecordedRounds, Recording, TracedText
from halospec.simulate.course import runs_of_matches
from halospec.simulate.toml_files import read_toml

_UNLIKELY_TOKENS = 50
"""Over so many tokens the draft spreads what it does not give to its likeliest one; the entropy follows from it."""

Probability = Annotated[float, Field(ge=0, le=1)]
Hazards = Annotated[tuple[Probability, ...], Field(min_length=1, max_length=64)] | Probability
Multiple = Annotated[float, Field(gt=0, le=1e6)]
Milliseconds = Annotated[float, Field(gt=0, le=1e6)]
Cores = Annotated[int, Field(ge=1, le=512)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class SyntheticAcceptance(_Parameters):
    """How often the draft is right, by class of texts."""

    easy: Hazards = 0.9
    middling: Hazards = 0.8
    hard: Hazards = 0.6
    concentration: float = Field(default=4.0, gt=0, le=1e6)


class SyntheticCosts(_Parameters):
    """What passes take in the quiet state with the server's own threads."""

    pass_ms: Milliseconds = 25.0
    slope_ms: Annotated[float, Field(ge=0, le=1e6)] = 2.5
    draft_ms: Milliseconds = 5.0
    cv: float = Field(default=0.08, ge=0, le=5)
    correlation: float = Field(default=0.5, ge=0, lt=1)


class SyntheticState(_Parameters):
    """A load, with a setting of the threads, and what it multiplies costs by.

    Attributes
    ----------
    cv, correlation
        Of the noise; as without load if ``None``.
    """

    load: str = Field(default=QUIET, pattern=r"^(quiet|cpu:[1-9]\d{0,3})$")
    threads: Cores | None = None
    draft_threads: Cores | None = None
    whole_pass: Multiple = Field(default=1.0, alias="pass")
    slope: Multiple = 1.0
    draft: Multiple = 1.0
    cv: Annotated[float, Field(ge=0, le=5)] | None = None
    correlation: Annotated[float, Field(ge=0, lt=1)] | None = None


_BUSY = (
    SyntheticState.model_validate({"load": "cpu:1", "pass": 2.0, "draft": 2.0}),
    SyntheticState.model_validate({"load": "cpu:2", "pass": 4.0, "draft": 4.0}),
)


class SyntheticSettings(_Parameters):
    """All parameters of a recording that was never recorded.

    Attributes
    ----------
    rounds
        In each state; the draft length is drawn anew for each, from 0 to ``max_length``.
    """

    pair: str = Field(default="synthetic", min_length=1, max_length=60)
    seed: int = Field(default=1, ge=0, lt=2**31)
    texts: int = Field(default=30, ge=3, le=10_000)
    tokens: int = Field(default=97, ge=2, le=100_000)
    rounds: int = Field(default=4000, ge=1, le=1_000_000)
    max_length: int = Field(default=8, ge=1, le=MAX_DRAFT_LENGTH)
    threads: Cores = 2
    draft_threads: Cores = 2
    acceptance: SyntheticAcceptance = SyntheticAcceptance()
    costs: SyntheticCosts = SyntheticCosts()
    states: tuple[SyntheticState, ...] = Field(default=_BUSY, max_length=64)

    @model_validator(mode="after")
    def _each_state_once(self) -> Self:
        names = [self.name_of(state) for state in self.all_states]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name[0]} with {name[1]}/{name[2]} threads is described twice")
        return self

    @property
    def all_states(self) -> tuple[SyntheticState, ...]:
        """The quiet state with the server's own threads, unless it is described, and those described."""
        quiet = SyntheticState()
        described = {self.name_of(state) for state in self.states}
        return self.states if self.name_of(quiet) in described else (quiet, *self.states)

    def name_of(self, state: SyntheticState) -> tuple[str, int, int]:
        """Return a state's load, and its threads of the target's and the draft's passes."""
        return (state.load, state.threads or self.threads, state.draft_threads or self.draft_threads)


def read_synthetic(path: Path) -> SyntheticSettings:
    """Read parameters from a file.

    Raises
    ------
    CannotSimulate
        If it cannot be read, or does not hold such parameters.
    """
    return read_toml(path, SyntheticSettings)


def synthetic_recording(settings: SyntheticSettings) -> Recording:
    """Make a recording of stated parameters."""
    random = np.random.default_rng(settings.seed)
    texts = tuple(_texts(settings, random))
    return Recording(
        pair=settings.pair,
        texts=texts,
        rounds=_rounds(settings, texts, random),
        threads=settings.threads,
        draft_threads=settings.draft_threads,
        about={"made of": settings.model_dump_json(by_alias=True)},
    )


def _texts(settings: SyntheticSettings, random: np.random.Generator) -> Iterator[TracedText]:
    acceptance = settings.acceptance
    classes = cycle((("easy", acceptance.easy), ("middling", acceptance.middling), ("hard", acceptance.hard)))
    for number, (name, hazards) in zip(range(settings.texts), classes, strict=False):
        by_position = hazards if isinstance(hazards, tuple) else (hazards,)
        match = np.zeros(settings.tokens, dtype=np.bool_)
        top_probability = np.zeros(settings.tokens)
        run = 0
        for position in range(settings.tokens):
            probability = _probability(by_position[min(run, len(by_position) - 1)], acceptance.concentration, random)
            top_probability[position] = probability
            match[position] = random.random() < probability
            run = run + 1 if match[position] else 0
        yield TracedText(
            prompt_id=f"{name}-{number // 3 + 1}",
            tokens=np.arange(settings.tokens, dtype=np.int32),
            match=match,
            top_probability=top_probability.astype(np.float32),
            entropy=_entropy(top_probability).astype(np.float32),
            overlap=top_probability.astype(np.float32),
        )


def _probability(mean: float, concentration: float, random: np.random.Generator) -> float:
    if mean in (0.0, 1.0):
        return mean
    return float(random.beta(mean * concentration, (1 - mean) * concentration))


def _entropy(top_probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the entropy, in nats, of distributions that give the rest to so many tokens in equal parts."""
    inside = np.clip(top_probability, 1e-9, 1 - 1e-9)
    entropy: npt.NDArray[np.float64] = -inside * np.log(inside) - (1 - inside) * np.log((1 - inside) / _UNLIKELY_TOKENS)
    return entropy


def _rounds(settings: SyntheticSettings, texts: tuple[TracedText, ...], random: np.random.Generator) -> RecordedRounds:
    states = settings.all_states
    conditions = tuple(dict.fromkeys(state.load for state in states))
    per_state = settings.rounds
    k, missed, visit = (
        np.concatenate(column)
        for column in zip(*(_uniform_rounds(settings, texts, random) for _ in states), strict=True)
    )
    place = np.repeat(np.arange(len(states)), per_state)
    drafts = k > 0

    def multiples(of: str) -> npt.NDArray[np.float64]:
        return np.array([getattr(state, of) for state in states])[place]

    costs = settings.costs
    noise = np.concatenate([_noise(state, costs, per_state, random) for state in states])
    passes_ms = costs.pass_ms * multiples("whole_pass") + costs.slope_ms * multiples("slope") * k
    one_draft_ms = costs.draft_ms * multiples("draft") * noise
    catch_up_ms = np.where(drafts & (missed > 2), one_draft_ms, 0.0)
    return RecordedRounds(
        conditions=conditions,
        condition=np.array([conditions.index(state.load) for state in states], dtype=np.int16)[place],
        visit=(visit + place * per_state).astype(np.int32),
        threads=np.array([settings.name_of(state)[1] for state in states], dtype=np.int16)[place],
        draft_threads=np.array([settings.name_of(state)[2] for state in states], dtype=np.int16)[place],
        k=k.astype(np.int16),
        missed=np.where(drafts, missed, 0).astype(np.int16),
        draft_us=(1e3 * (one_draft_ms * k + catch_up_ms)).astype(np.float32),
        catch_up_us=(1e3 * catch_up_ms).astype(np.float32),
        verify_us=(1e3 * passes_ms * noise).astype(np.float32),
    )


def _uniform_rounds(
    settings: SyntheticSettings, texts: tuple[TracedText, ...], random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return k, missed tokens and visit of the rounds that write one text after the other with any k at random."""
    drawn = random.integers(0, settings.max_length, settings.rounds, endpoint=True)
    runs = [runs_of_matches(text.match) for text in texts]
    rows: list[tuple[int, int, int]] = []
    visit, at, missed = 1, 1, AT_THE_START
    for k in drawn.tolist():
        rows.append((k, missed, visit))
        written = runs[(visit - 1) % len(runs)]
        accepted = min(k, written[at])
        missed = missed_after(missed, k, accepted)
        at += accepted + 1
        if at >= len(written):
            visit, at, missed = visit + 1, 1, AT_THE_START
    columns = np.array(rows, dtype=np.int64)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _noise(
    state: SyntheticState, costs: SyntheticCosts, rounds: int, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return factors with mean 1."""
    variance = math.log1p((costs.cv if state.cv is None else state.cv) ** 2)
    correlation = costs.correlation if state.correlation is None else state.correlation
    steps = random.normal(size=rounds)
    logs = np.empty(rounds)
    logs[0] = steps[0]
    for place in range(1, rounds):
        logs[place] = correlation * logs[place - 1] + math.sqrt(1 - correlation**2) * steps[place]
    return np.exp(math.sqrt(variance) * logs - variance / 2)
