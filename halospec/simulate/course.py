"""What happens in a scenario, whoever chooses k: the texts, the condition at every token, the random places.

All of it hangs on the recording, the scenario and the seed alone, so every policy meets the same.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.recordings.types import QUIET, Recording, TracedText
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.settings import SimulationSettings
from halospec.simulate.types import Scenario

MOST = "most"
"""A load: the recording's condition with the most burners."""
LEAST = "least"
"""A load: its condition with the fewest, but some."""

_BURNERS = re.compile(r"cpu:(\d{1,4})", re.ASCII)

_TEXTS, _PLACES, _WARM_UP_TEXTS, _WARM_UP_PLACES, _DRIFT = range(5)
"""What random numbers are drawn for: each purpose has its own, so that none shifts another's."""


@dataclass(frozen=True, eq=False)
class Request:
    """One request: what is written, and the machine while it is. Lists, because rounds are simulated one by one.

    Attributes
    ----------
    text
        The place in the recording of the text that it begins with.
    begins
        The scenario's token with which it begins.
    matches
        For each token after the first: how many matches follow one another from there on, this token's own the first
        of them. A round that begins there and drafts k tokens has ``min(k, matches)`` accepted.
    top_probability, entropy
        What the draft offered for each of these tokens, given the text before it.
    segment, condition
        For each of them the scenario's segment and the recording's condition.
    starts
        A place in the recorded timeline, from 0 to 1, for each block of tokens.
    chances
        From 0 to 1, for each token: which of several recorded rounds near that place is taken if a round begins there.
    """

    text: int
    begins: int
    matches: list[int]
    top_probability: list[float]
    entropy: list[float]
    segment: list[int]
    condition: list[int]
    starts: list[float]
    chances: list[float]

    @property
    def tokens(self) -> int:
        """Tokens to be generated after the first."""
        return len(self.matches)


@dataclass(frozen=True, eq=False)
class Course:
    """All requests of a scenario with one seed, in order.

    Attributes
    ----------
    conditions
        Those that occur.
    """

    warm_up: tuple[Request, ...]
    requests: tuple[Request, ...]
    conditions: frozenset[int]


def make_course(recording: Recording, scenario: Scenario, seed: int, settings: SimulationSettings) -> Course:
    """Lay down what happens.

    A request begins with the scenario's token that follows the last request's, and its text is of the class asked for
    there. A segment that begins inside a request changes the load at once and the texts from the next request on. The
    texts of a class come in shuffled order, each once before any comes again. Where a text is shorter than a request,
    the next of its class goes on from its own second token: one request, several texts. The last request is as short
    as the scenario leaves it.

    Raises
    ------
    CannotSimulate
        If the recording lacks a condition or a class of texts that the scenario asks for.
    """
    if scenario.tokens_per_request < 1 or any(segment.tokens < 1 for segment in scenario.segments):
        raise CannotSimulate(f"Scenario {scenario.name} has a request or a segment without tokens.")
    if not scenario.segments:
        raise CannotSimulate(f"Scenario {scenario.name} has no segments.")
    segment = np.repeat(np.arange(len(scenario.segments)), [part.tokens for part in scenario.segments])
    condition = _conditions(recording, scenario, seed)
    texts = _Texts(recording, seed, _TEXTS)
    per_request = scenario.tokens_per_request
    requests = tuple(
        _request(
            texts.next_of(scenario.segments[segment[begins]].prompts, min(per_request, len(segment) - begins)),
            begins,
            segment[begins : begins + per_request],
            condition[begins : begins + per_request],
            np.random.default_rng([seed, _PLACES, number]),
            settings,
        )
        for number, begins in enumerate(range(0, len(segment), per_request))
    )
    first = scenario.segments[0]
    warm_up_texts = _Texts(recording, seed, _WARM_UP_TEXTS)
    warm_up = tuple(
        _request(
            warm_up_texts.next_of(first.prompts, per_request),
            0,
            np.zeros(per_request, dtype=np.int64),
            np.full(per_request, condition_named(recording, first.load)),
            np.random.default_rng([seed, _WARM_UP_PLACES, number]),
            settings,
        )
        for number in range(settings.warm_up)
    )
    return Course(warm_up, requests, frozenset(condition.tolist()) | {condition_named(recording, first.load)})


def condition_named(recording: Recording, load: str) -> int:
    """Return the place of a condition in the recording's list.

    Raises
    ------
    CannotSimulate
        If it was not recorded.
    """
    conditions = recording.rounds.conditions
    loaded = sorted((n, name) for name in conditions if (n := _burners(name)) > 0)
    if load in (MOST, LEAST) and loaded:
        load = loaded[-1 if load == MOST else 0][1]
    if not conditions:
        raise CannotSimulate("The recording has texts but no timed rounds; record it without --no-costs.")
    if load not in conditions:
        that_is = ", that is, none with load burners" if load in (MOST, LEAST) else ""
        raise CannotSimulate(
            f"The recording has no condition {load!r}{that_is}; it has {', '.join(conditions)}. Record it, or"
            " change the scenario's load."
        )
    return conditions.index(load)


def texts_of_class(recording: Recording, prompts: str) -> tuple[int, ...]:
    """Return the places of the texts that a segment's ``prompts`` stands for.

    Raises
    ------
    CannotSimulate
        If there are none.
    """
    texts = recording.texts
    usable = [place for place, text in enumerate(texts) if len(text) > 1]
    by_matches = sorted(usable, key=lambda place: (_match_rate(texts[place]), texts[place].prompt_id))
    third = max(len(usable) // 3, 1)
    match prompts:
        case "all":
            chosen = usable
        case "easy":
            chosen = by_matches[-third:]
        case "hard":
            chosen = by_matches[:third]
        case prompt_id:
            chosen = [place for place in usable if texts[place].prompt_id == prompt_id]
    if not chosen:
        raise CannotSimulate(
            f"The recording has no text of two tokens or more for prompts {prompts!r}; write all, easy, hard or the id"
            " of a recorded prompt."
        )
    return tuple(sorted(chosen))


def runs_of_matches(match: npt.NDArray[np.bool_]) -> list[int]:
    """Return for each position how many matches follow one another from it on.

    Examples
    --------
    >>> runs_of_matches(np.array([True, True, False, True]))
    [2, 1, 0, 1]
    """
    positions = np.arange(len(match))
    ends = np.where(match, len(match), positions)
    next_end = np.minimum.accumulate(ends[::-1])[::-1]
    runs: list[int] = (next_end - positions).tolist()
    return runs


@dataclass(frozen=True, eq=False)
class _Written:
    """What a request is to write: its tokens after the first."""

    text: int
    match: npt.NDArray[np.bool_]
    top_probability: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    overlap: npt.NDArray[np.float32]


class _Texts:
    """Hands out the texts of each class in shuffled order, each once before any comes again."""

    def __init__(self, recording: Recording, seed: int, purpose: int) -> None:
        self._recording = recording
        self._entropy = (seed, purpose)
        self._orders: dict[str, Iterator[int]] = {}

    def next_of(self, prompts: str, tokens: int) -> _Written:
        if prompts not in self._orders:
            self._orders[prompts] = self._shuffled(prompts)
        places = [next(self._orders[prompts])]
        while sum(len(self._recording.texts[place]) - 1 for place in places) < tokens:
            places.append(next(self._orders[prompts]))
        texts = [self._recording.texts[place] for place in places]
        return _Written(
            places[0],
            np.concatenate([text.match[1:] for text in texts])[:tokens],
            np.concatenate([text.top_probability[1:] for text in texts])[:tokens],
            np.concatenate([text.entropy[1:] for text in texts])[:tokens],
            np.concatenate([text.overlap[1:] for text in texts])[:tokens],
        )

    def _shuffled(self, prompts: str) -> Iterator[int]:
        places = texts_of_class(self._recording, prompts)
        random = np.random.default_rng([*self._entropy, zlib.crc32(prompts.encode())])
        while True:
            yield from (places[i] for i in random.permutation(len(places)))


def _request(
    written: _Written,
    begins: int,
    segment: Sequence[int] | npt.NDArray[np.int64],
    condition: npt.NDArray[np.int64],
    random: np.random.Generator,
    settings: SimulationSettings,
) -> Request:
    tokens = len(written.match)
    starts = random.random(-(-tokens // settings.block_tokens))
    chances = random.random(tokens)
    match = random.random(tokens) < written.overlap if settings.sampled else written.match
    return Request(
        text=written.text,
        begins=begins,
        matches=runs_of_matches(match),
        top_probability=written.top_probability.astype(float).tolist(),
        entropy=written.entropy.astype(float).tolist(),
        segment=np.asarray(segment).tolist(),
        condition=condition.tolist(),
        starts=starts.tolist(),
        chances=chances.tolist(),
    )


def _conditions(recording: Recording, scenario: Scenario, seed: int) -> npt.NDArray[np.int64]:
    """Return the condition at every token of the scenario; where it drifts, each token has drawn its own."""
    drawn = np.random.default_rng([seed, _DRIFT]).random(scenario.tokens)
    parts: list[npt.NDArray[np.int64]] = []
    begins = 0
    for segment in scenario.segments:
        before = condition_named(recording, segment.load)
        after = before if segment.load_until is None else condition_named(recording, segment.load_until)
        share = np.arange(segment.tokens) / segment.tokens
        parts.append(np.where(drawn[begins : begins + segment.tokens] < share, after, before))
        begins += segment.tokens
    return np.concatenate(parts)


def _match_rate(text: TracedText) -> float:
    return float(text.match[1:].mean())


def _burners(condition: str) -> int:
    """Return how many burners a condition's name says; 0 where it says none."""
    named = _BURNERS.fullmatch(condition)
    return int(named[1]) if named and condition != QUIET else 0
