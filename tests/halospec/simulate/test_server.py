"""What the simulated server makes of a request, against rounds worked by hand and against plain decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import DraftPlace
from halospec.controllers.protocol import RoundOutcome
from halospec.simulate.costs import CostReplay, ThreadSetting
from halospec.simulate.course import Request, runs_of_matches
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.server import SimulatedServer
from halospec.simulate.settings import SimulationSettings
from small_recordings import cost_table, recording

OWN = ThreadSetting(2, 2)


class Scripted:
    """A rule that chooses one setting after the other, the last one ever after."""

    def __init__(self, *settings: Setting | int, stop=None):
        self._left = [Setting(one) if isinstance(one, int) else one for one in settings]
        self.stop = stop
        self.told: list[RoundOutcome] = []

    def choose(self, sequences: int = 1) -> Setting:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]

    def update(self, done: RoundOutcome) -> None:
        self.told.append(done)


class BelowHalf:
    """Ends a draft where the draft's likeliest token has less than half of the probability; remembers what it saw."""

    def __init__(self):
        self.seen: list[list[float]] = []

    def begin(self) -> None:
        self.seen.append([])

    def ends_before(self, place: DraftPlace) -> bool:
        self.seen[-1].append(round(place.top_probability, 3))
        return place.top_probability < 0.5


def request(match: str | Sequence[bool], top_probability: Sequence[float] | None = None, condition=None) -> Request:
    """Return a request whose tokens after the first are matched as said."""
    agrees = np.array([one in ("1", True) for one in match])
    tokens = len(agrees)
    return Request(
        text=0,
        begins=0,
        matches=runs_of_matches(agrees),
        top_probability=list(top_probability or [0.9] * tokens),
        entropy=[0.1] * tokens,
        segment=[0] * tokens,
        condition=condition or [0] * tokens,
        starts=[0.0] * tokens,
        chances=[0.0] * tokens,
    )


def server(rows=None, *, block_tokens: int = 48, stretch: int = 1) -> SimulatedServer:
    return SimulatedServer(CostReplay(recording(rows or cost_table()), stretch), block_tokens)


TEN = "1101111001"


@pytest.mark.parametrize(
    ("k", "drafted", "accepted", "began_at"),
    [
        (0, [0] * 10, [0] * 10, list(range(10))),
        (1, [1, 1, 1, 1, 1, 1, 0], [1, 0, 1, 1, 0, 0, 0], [0, 2, 3, 5, 7, 8, 9]),
        (3, [3, 3, 2, 1, 0], [2, 3, 0, 0, 0], [0, 3, 7, 8, 9]),
    ],
)
def test_ten_tokens_worked_by_hand(k, drafted, accepted, began_at):
    """1101111001: two matches, a miss, four matches, two misses, a match that only a draft could have used."""
    reply = server().reply_with(request(TEN), k, OWN)
    assert [done.k for done in reply.rounds] == drafted
    assert [done.accepted for done in reply.rounds] == accepted
    assert list(reply.began_at) == began_at
    assert {done.limit for done in reply.rounds} == {k}


def test_what_those_ten_tokens_cost():
    """A draft of k costs 10 k, and 1 more after full acceptance; verifying it 100 + k."""
    reply = server().reply_with(request(TEN), 3, OWN)
    assert [done.draft_ms for done in reply.rounds] == [30, 30, 20 + 1, 10, 0]
    assert [done.verify_ms for done in reply.rounds] == [103, 103, 102, 101, 100]
    assert reply.decode_ms == 600


def test_a_round_says_what_a_server_would():
    first, *_, last = server().reply_with(request(TEN), 3, OWN).rounds
    assert (first.threads, first.draft_threads, first.sequences, first.width) == (2, 2, 1, 4)
    assert (last.k, last.draft_threads, last.width) == (0, 0, 1)


def test_a_client_learns_of_the_rounds_only_from_a_server_that_logs_them():
    reply = server().reply_with(request(TEN), 3, OWN)
    told = reply.outcome(3, SimulationSettings(prompt_ms=50))
    assert (told.latency_ms, told.decode_ms, told.completion_tokens) == (650, 600, 11)
    assert (told.drafted, told.accepted, told.rounds) == (9, 5, 5)
    assert told.round_log == reply.rounds
    counts = reply.outcome(3, SimulationSettings(counts_only=True))
    assert (counts.drafted, counts.accepted, counts.rounds, counts.round_log) == (9, 5, 5, ())


def test_text_missed_while_nothing_was_drafted_is_paid_for_by_the_next_draft():
    """Recorded: 7 ms for one token beyond 2, 9 ms for two. So three cost 11, and rounds with more left it at that."""
    rows = [
        *cost_table(),
        ("quiet", 2, 2, 2, 3, 21 + 7.0, 7.0, 102.0),
        ("quiet", 2, 2, 2, 4, 21 + 9.0, 9.0, 102.0),
    ]
    rule = Scripted(0, 0, 0, 0, 2)
    rounds = server(rows).reply(request("0" * 9), rule, OWN).rounds
    assert [done.draft_ms for done in rounds[:6]] == pytest.approx([0, 0, 0, 0, 21 + 11, 20])


def test_without_any_record_of_catching_up_it_takes_a_pass_of_the_draft():
    rounds = server().reply(request("0" * 9), Scripted(0, 0, 2), OWN).rounds
    one_pass = sum(10 * k + late for k in range(1, 9) for late in (0, 1)) / (2 * 36)
    assert rounds[2].draft_ms == pytest.approx(21 + one_pass)


def test_a_stopped_draft_has_paid_for_the_pass_that_stopped_it():
    """The third place looks unlikely: two tokens are proposed, three passes of the draft and a pass over three made."""
    stop = BelowHalf()
    likely = [0.9, 0.9, 0.4, 0.9, 0.9, 0.9, 0.9, 0.9]
    rule = Scripted(4, stop=stop)
    rounds = server().reply(request("11111111", likely), rule, OWN).rounds
    assert (rounds[0].limit, rounds[0].k, rounds[0].accepted) == (4, 2, 2)
    assert (rounds[0].draft_ms, rounds[0].verify_ms) == (30, 102)
    assert rounds[1].draft_ms == 40, "the pass that stopped the draft had read its last token: nothing was missed"
    assert stop.seen == [[0.9, 0.9, 0.4], [0.9, 0.9, 0.9, 0.9]]


def test_a_draft_that_is_stopped_at_once_is_a_pass_in_vain():
    rounds = server().reply(request("11", [0.4, 0.9]), Scripted(4, stop=BelowHalf()), OWN).rounds
    assert [(done.k, done.accepted, done.draft_ms, done.verify_ms) for done in rounds] == [
        (0, 0, 10, 100),
        (0, 0, 0, 100),
    ]
    assert [done.draft_threads for done in rounds] == [2, 0]


def test_a_stop_sees_the_recorded_text_past_a_wrong_token():
    stop = BelowHalf()
    server().reply(request("1011", [0.9, 0.8, 0.7, 0.6]), Scripted(3, stop=stop), OWN)
    assert stop.seen[0] == [0.9, 0.8, 0.7]


def test_a_rule_may_choose_threads_for_the_target_and_for_the_draft():
    rows = cost_table() + cost_table(threads=(1, 2), verify_ms=lambda k: 500.0)
    rounds = server(rows).reply(request("000"), Scripted(Setting(1, threads=1), Setting(1)), OWN).rounds
    assert [(done.threads, done.draft_threads, done.verify_ms) for done in rounds[:2]] == [(1, 2, 500), (2, 2, 101)]


def test_threads_that_were_not_recorded_are_refused():
    with pytest.raises(
        CannotSimulate, match=r"no rounds with 4/2 threads \(target/draft\) under quiet; it holds 2/2\."
    ):
        server().reply(request("000"), Scripted(Setting(1, threads=4)), OWN)


def test_costs_are_those_of_the_condition_at_the_token_where_a_round_begins():
    rows = cost_table() + cost_table(condition="cpu:2", verify_ms=lambda k: 1000.0)
    reply = server(rows).reply_with(request("11111111", condition=[0, 0, 1, 1, 1, 0, 0, 0]), 2, OWN)
    assert list(reply.began_at) == [0, 3, 6]
    assert [done.verify_ms for done in reply.rounds] == [102, 1000, 101]


def test_a_controller_is_told_of_every_round():
    rule = Scripted(3)
    reply = server().reply(request(TEN), rule, OWN)
    assert tuple(rule.told) == reply.rounds


def plain_speculation(match: Sequence[bool], lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """Decode token by token with two made-up models; return where each round began, k and accepted."""
    target = list(range(1, len(match) + 1))
    text: list[int] = []
    rounds = []
    while len(text) < len(target):
        began = len(text)
        wanted = lengths[len(rounds) % len(lengths)]
        draft = []
        while len(draft) < wanted and began + len(draft) < len(target) - 1:
            place = began + len(draft)
            draft.append(target[place] if match[place] else -1)
        for proposed in draft:
            if proposed != target[len(text)]:
                break
            text.append(proposed)
        rounds.append((began, len(draft), len(text) - began))
        text.append(target[len(text)])
    return rounds


@given(
    match=st.lists(st.booleans(), min_size=1, max_size=40),
    lengths=st.lists(st.integers(0, 8), min_size=1, max_size=6),
)
def test_rounds_are_those_of_plain_speculative_decoding(match, lengths):
    class Turns(Scripted):
        def choose(self, sequences: int = 1) -> Setting:
            return Setting(lengths[len(self.told) % len(lengths)])

    reply = server().reply(request(match), Turns(0), OWN)
    found = [(at, done.k, done.accepted) for at, done in zip(reply.began_at, reply.rounds, strict=True)]
    assert found == plain_speculation(match, lengths)
    assert sum(done.accepted + 1 for done in reply.rounds) == len(match)


@given(match=st.lists(st.booleans(), min_size=1, max_size=40), k=st.integers(0, 8))
def test_a_constant_length_gives_what_a_rule_that_chooses_it_gives(match, k):
    one = request(match)
    assert server().reply_with(one, k, OWN).rounds == server().reply(one, Scripted(k), OWN).rounds


@given(match=st.lists(st.booleans(), max_size=60))
def test_runs_of_matches_are_counted_from_each_position_on(match):
    expected = [next((n for n, one in enumerate(match[i:]) if not one), len(match) - i) for i in range(len(match))]
    assert runs_of_matches(np.array(match, dtype=bool)) == expected
