"""Policies on their way through scenarios: what is the same for all of them, and what each is told."""

from __future__ import annotations

import numpy as np
import pytest

from halospec.controllers.modes import Mode, UnknownMode
from halospec.controllers.protocol import Outcome
from halospec.simulate import simulation
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.settings import SimulationSettings
from halospec.simulate.simulation import simulate
from halospec.simulate.synthetic import SyntheticSettings, synthetic_recording
from halospec.simulate.types import CHOSEN_PER_ROUND, Scenario, Segment
from small_recordings import cost_table, recording, traced

MADE_UP = synthetic_recording(SyntheticSettings(rounds=1500, texts=9, tokens=40))

CHANGING = Scenario(
    "changing",
    "Everything changes",
    32,
    (
        Segment(100, "quiet", prompts="easy"),
        Segment(50, "cpu:2", prompts="hard"),
        Segment(90, "quiet", load_until="cpu:2"),
    ),
)

POLICIES = (
    "fixed_0",
    "fixed_1",
    "fixed_8",
    "adaptive",
    "heuristic",
    "auto:heuristic",
    "auto:ema_accept",
    "auto:uniform",
)


@pytest.mark.parametrize("spelling", POLICIES)
def test_every_policy_writes_the_same_tokens(spelling):
    done = simulate(MADE_UP, CHANGING, spelling, 1)
    reference = simulate(MADE_UP, CHANGING, "fixed_0", 1)
    assert done.tokens.sum() == CHANGING.tokens
    np.testing.assert_array_equal(done.tokens, reference.tokens)
    np.testing.assert_array_equal(done.text, reference.text)
    assert (done.accepted + 1).sum() == CHANGING.tokens


@pytest.mark.parametrize("spelling", POLICIES)
def test_columns_agree_with_each_other(spelling):
    done = simulate(MADE_UP, CHANGING, spelling, 2)
    per_request = np.bincount(done.round_request, weights=done.duration_ms, minlength=len(done.tokens))
    np.testing.assert_allclose(per_request, done.decode_ms)
    np.testing.assert_array_equal(done.round_token, np.cumsum(done.accepted + 1) - (done.accepted + 1))
    np.testing.assert_array_equal(done.round_segment, np.digitize(done.round_token, [100, 150]))
    assert (done.accepted <= done.k).all()
    in_server = spelling.startswith("auto:")
    assert (done.draft_length == CHOSEN_PER_ROUND).all() == in_server


def test_the_same_lengths_cost_the_same_whoever_chooses_them():
    client = simulate(MADE_UP, CHANGING, "fixed_3", 5)
    server = simulate(MADE_UP, CHANGING, "auto:fixed@draft_length=3", 5)
    for column in ("k", "accepted", "duration_ms", "round_token", "threads", "draft_threads"):
        np.testing.assert_array_equal(getattr(client, column), getattr(server, column))


def test_policies_at_the_same_token_are_under_the_same_condition():
    """Every round costs 1 where it is quiet and 1000 under load, however long its draft."""
    rows = [
        *cost_table(draft_ms=lambda k, missed: 0.0, verify_ms=lambda k: 1.0),
        *cost_table(condition="cpu:2", draft_ms=lambda k, missed: 0.0, verify_ms=lambda k: 1000.0),
    ]
    told_apart = recording(rows, *(traced(f"p{n}", "10110111" * 5) for n in range(3)))
    met = [
        dict(zip(done.round_token.tolist(), done.duration_ms.tolist(), strict=True))
        for done in (simulate(told_apart, CHANGING, spelling, 4) for spelling in ("fixed_0", "fixed_2", "auto:uniform"))
    ]
    for other in met[1:]:
        assert all(met[0][token] == cost for token, cost in other.items())
    assert {met[0][token] for token in range(150, 240)} == {1.0, 1000.0}, "drift mixes both"


def test_seeds_are_repetitions_and_a_repetition_repeats():
    once, again, other = (simulate(MADE_UP, CHANGING, "auto:heuristic", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once.duration_ms, again.duration_ms)
    assert once.decode_ms.sum() != other.decode_ms.sum()


def test_a_mode_may_name_its_threads():
    rows = [*cost_table(), *cost_table(threads=(1, 2), verify_ms=lambda k: 7.0)]
    quiet = Scenario("quiet", "Quiet", 8, (Segment(16, "quiet"),))
    done = simulate(recording(rows), quiet, "fixed_0@threads=1", 1)
    assert set(done.threads) == {1}
    assert set(done.duration_ms) == {7.0}
    with pytest.raises(CannotSimulate, match="no rounds with 3/2 threads"):
        simulate(recording(rows), quiet, "auto:heuristic@threads=3", 1)


class Listener:
    """Chooses 1, 2, 3, … and keeps what it is told."""

    def __init__(self):
        self.warm_up: tuple[Outcome, ...] = ()
        self.told: list[Outcome] = []

    def choose(self) -> int:
        return len(self.told) + 1

    def update(self, outcome: Outcome) -> None:
        self.told.append(outcome)


@pytest.fixture
def listener(monkeypatch):
    heard = Listener()

    def start(warm_up):
        heard.warm_up = tuple(warm_up)
        return heard

    monkeypatch.setattr(
        simulation,
        "mode_named",
        lambda name: Mode(name, 4, frozenset(range(9)), start, {}) if name == "listener" else None,
    )
    return heard


def test_a_client_is_started_with_its_warm_up_and_told_of_each_request(listener):
    done = simulate(MADE_UP, CHANGING, "listener", 1)
    assert len(listener.warm_up) == 5
    assert {outcome.draft_length for outcome in listener.warm_up} == {4}
    assert all(outcome.completion_tokens == 33 for outcome in listener.warm_up)
    assert done.draft_length.tolist() == list(range(1, 9))
    assert [outcome.draft_length for outcome in listener.told] == list(range(1, 9))
    assert [outcome.decode_ms for outcome in listener.told] == done.decode_ms.tolist()
    assert sum(outcome.accepted for outcome in listener.told) == done.accepted.sum()
    assert sum(len(outcome.round_log) for outcome in listener.told) == len(done.k)


def test_counts_only_and_the_prompts_time(listener):
    simulate(MADE_UP, CHANGING, "listener", 1, SimulationSettings(counts_only=True, prompt_ms=40.0, warm_up=2))
    assert len(listener.warm_up) == 2
    assert all(outcome.round_log == () for outcome in listener.told)
    assert all(outcome.latency_ms == outcome.decode_ms + 40.0 for outcome in listener.told)
    assert all(outcome.rounds > 0 for outcome in listener.told)


def test_a_rule_in_the_server_learns_through_the_warm_up_and_from_text_to_text(monkeypatch):
    made = []

    class Rule:
        def __init__(self):
            self.texts = 0

        def for_text(self):
            self.texts += 1
            return simulation.round_rule("fixed@draft_length=2", simulation.Threads()).for_text()

    def remembered(spelling, threads, real=simulation.round_rule):
        if spelling.startswith("fixed"):
            return real(spelling, threads)
        made.append((Rule(), threads))
        return made[-1][0]

    monkeypatch.setattr(simulation, "round_rule", remembered)
    simulate(MADE_UP, CHANGING, "auto:heuristic", 1)
    ((rule, threads),) = made
    assert rule.texts == 5 + 8
    assert threads.offered == ((2, 2),)


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(UnknownMode, match="There is no mode 'nothing'"):
        simulate(MADE_UP, CHANGING, "nothing", 1)


@pytest.mark.parametrize("segments", [(), (Segment(0, "quiet"),)])
def test_a_scenario_without_tokens_is_refused(segments):
    with pytest.raises(CannotSimulate, match="Scenario empty has"):
        simulate(MADE_UP, Scenario("empty", "Empty", 8, segments), "fixed_0", 1)


def test_jointly_with_one_setting_recorded_there_is_nothing_to_choose():
    """And with one length, nothing at all: as long as the same length for every round, and as costly."""
    joint = simulate(MADE_UP, CHANGING, "auto:cost_model@joint=true@min_length=3@max_length=3", 6)
    fixed = simulate(MADE_UP, CHANGING, "fixed_3", 6)
    for column in ("k", "accepted", "duration_ms", "round_token", "threads", "draft_threads"):
        np.testing.assert_array_equal(getattr(joint, column), getattr(fixed, column))


def test_a_rule_that_may_not_draft_decodes_plainly():
    none = simulate(MADE_UP, CHANGING, "auto:cost_model@max_length=0", 6)
    np.testing.assert_array_equal(none.duration_ms, simulate(MADE_UP, CHANGING, "fixed_0", 6).duration_ms)


def test_a_length_beyond_what_was_recorded_is_refused_with_what_can_be_done():
    with pytest.raises(CannotSimulate, match=r"do without it \(--max-length bounds fixed ones"):
        simulate(MADE_UP, CHANGING, "fixed_9", 1)
