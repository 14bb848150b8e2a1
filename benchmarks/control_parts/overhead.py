"""`control.py overhead`: what asking a rule and telling it costs, beside rules that do neither."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from control_parts.words import machine, table
from halospec.controllers.modes import mode_named
from halospec.controllers.per_round import DraftPlace, DraftStop, Threads
from halospec.controllers.protocol import Outcome, RoundOutcome
from halospec.controllers.spelling import round_rule

LIMIT_US = 50.0
MOST_DRAFTED = 16
_OWN = (2, 2)
_OFFERED = (_OWN, (2, 1), (1, 1))
_DRAWN = 64
_REQUEST_TOKENS = 64
_WARM_UP = 5

Drive = Callable[[int], int]
"""Asks and tells a rule so many times; returns of how many rounds it told it."""


@dataclass(frozen=True)
class Overhead:
    """What a rule costs.

    Attributes
    ----------
    us
        Microseconds of ``choose`` and ``update`` together, and of what a stop is asked, for each repetition.
    rounds
        Mean rounds of a step: a rule in the client is told of all rounds of a request at once.
    """

    spelling: str
    step: str
    us: tuple[float, ...]
    rounds: float

    @property
    def median_us(self) -> float:
        """Of the repetitions."""
        return statistics.median(self.us)


class _Bare:
    """A rule without one: what two method calls and the loop around them cost."""

    def choose(self, sequences: int = 1) -> int:  # noqa: ARG002
        """Return a constant."""
        return 4

    def update(self, done: object) -> None:
        """Learn nothing."""


class Rounds:
    """Rounds to tell rules of, made beforehand: a draft pass takes 5 ms, the target's 20 to 32, both scattered.

    Every drafted token is kept with a probability of 0.8, whatever the draft offers a stop at its place.
    """

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self._rounds = {
            (k, *threads): [_round(k, threads, chance) for _ in range(_DRAWN)]
            for k in range(MOST_DRAFTED + 1)
            for threads in _OFFERED
        }
        self._places = [_place(chance) for _ in range(_DRAWN)]

    def round(self, number: int, k: int, threads: tuple[int, int] = _OWN) -> RoundOutcome:
        """Return the n-th round with so many drafted tokens."""
        return self._rounds[(k, *threads)][number % _DRAWN]

    def drafted(self, stop: DraftStop, number: int, limit: int) -> int:
        """Return how many tokens a stop lets the n-th draft have, asked at one place after the other."""
        stop.begin()
        for place in range(limit):
            if stop.ends_before(self._places[(number + place) % _DRAWN]):
                return place
        return limit

    def request(self, k: int) -> Outcome:
        """Return a request made of such rounds."""
        rounds: list[RoundOutcome] = []
        tokens = 0
        while tokens < _REQUEST_TOKENS:
            rounds.append(self.round(len(rounds), k))
            tokens += rounds[-1].accepted + 1
        took_ms = sum(done.duration_ms for done in rounds)
        return Outcome(
            draft_length=k,
            success=True,
            latency_ms=took_ms,
            completion_tokens=tokens + 1,
            drafted=sum(done.k for done in rounds),
            accepted=sum(done.accepted for done in rounds),
            rounds=len(rounds),
            decode_ms=took_ms,
            round_log=tuple(rounds),
        )


def _round(k: int, threads: tuple[int, int], chance: random.Random) -> RoundOutcome:
    accepted = next((place for place in range(k) if chance.random() > 0.8), k)
    return RoundOutcome(
        limit=k,
        k=k,
        accepted=accepted,
        draft_ms=5.0 * k * chance.lognormvariate(0, 0.1),
        verify_ms=(20.0 + 1.5 * k) * chance.lognormvariate(0, 0.1),
        threads=threads[0],
        draft_threads=threads[1] if k else 0,
        sequences=1,
        width=k + 1,
    )


def _place(chance: random.Random) -> DraftPlace:
    likeliest = chance.betavariate(4.0, 1.0)
    return DraftPlace(likeliest, entropy=3.0 * (1.0 - likeliest))


def measure(spellings: Sequence[str], *, steps: int, repetitions: int, seed: int) -> tuple[Overhead, ...]:
    """Time every rule, interleaved: in each repetition each of them, in a random order."""
    rounds = Rounds(seed)
    drives: Mapping[tuple[str, str], Drive] = {
        ("no rule", "call"): _bare(),
        **{(spelling, _step_of(spelling)): _drive(spelling, rounds) for spelling in spellings},
    }
    chance = random.Random(seed)
    found: dict[tuple[str, str], list[float]] = {key: [] for key in drives}
    told: dict[tuple[str, str], int] = dict.fromkeys(drives, 0)
    for _ in range(repetitions):
        for key in chance.sample(list(drives), len(drives)):
            started_ns = time.perf_counter_ns()
            told[key] += drives[key](steps)
            found[key].append((time.perf_counter_ns() - started_ns) / 1e3 / steps)
    return tuple(Overhead(*key, us=tuple(us), rounds=told[key] / (steps * repetitions)) for key, us in found.items())


def _step_of(spelling: str) -> str:
    return "round" if mode_named(spelling).in_server else "request"


def _bare() -> Drive:
    rule = _Bare()

    def drive(steps: int) -> int:
        for _ in range(steps):
            rule.choose(1)
            rule.update(None)
        return steps

    return drive


def _drive(spelling: str, rounds: Rounds) -> Drive:
    mode = mode_named(spelling)
    return (
        _drive_rounds(str(mode.fields["length_policy"]), rounds)
        if mode.in_server
        else _drive_requests(spelling, rounds)
    )


def _drive_rounds(policy: str, rounds: Rounds) -> Drive:
    controller = round_rule(policy, Threads(_OFFERED)).for_text()
    stop = controller.stop

    def drive(steps: int) -> int:
        for number in range(steps):
            setting = controller.choose(1)
            limit = setting.draft_length
            k = limit if stop is None else rounds.drafted(stop, number, limit)
            used = (setting.threads or _OWN[0], setting.draft_threads or _OWN[1])
            controller.update(rounds.round(number, k, used))
        return steps

    return drive


def _drive_requests(spelling: str, rounds: Rounds) -> Drive:
    mode = mode_named(spelling)
    requests = {k: rounds.request(k) for k in mode.lengths}
    first = mode.warmup_length or 0
    warm_up = rounds.request(first)
    chooser = mode.start([replace(warm_up) for _ in range(_WARM_UP)])

    def drive(steps: int) -> int:
        told = 0
        for _ in range(steps):
            request = requests[chooser.choose() or 0]
            chooser.update(request)
            told += len(request.round_log)
        return told

    return drive


def report(found: Sequence[Overhead], steps: int) -> str:
    """Return the table, dearest last."""
    rows = [
        (
            f"`{one.spelling}`",
            one.step,
            f"{one.median_us:.2f}",
            f"{max(one.us):.2f}",
            f"{one.rounds:.1f}",
            f"{one.median_us / one.rounds:.2f}",
        )
        for one in sorted(found, key=lambda one: one.median_us)
    ]
    dear = [f"`{one.spelling}`" for one in found if one.median_us >= LIMIT_US]
    verdict = f"{LIMIT_US:g} us a step or more: {', '.join(dear)}." if dear else f"All below {LIMIT_US:g} us a step."
    head = ("rule", "a step is", "median, us", "slowest repetition, us", "rounds a step", "median, us a round")
    repetitions = len(found[0].us)
    return (
        f"`choose` and `update` together, with all that a stop is asked in between; {repetitions} interleaved"
        f" repetitions of {steps} steps ({machine()}).\n\n"
        f"{table(head, rows, texts=2)}\n\n{verdict}\n"
    )
