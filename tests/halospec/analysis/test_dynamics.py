from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.dynamics import Dynamics, dynamics, overshoot_of, recovered_at
from halospec.analysis.loading import read_run, requests_of
from halospec.records.schema import Phase
from made_runs import made_records

DEMO = Path(__file__).parents[3] / "plots" / "demo"
TOKENS = 11


def trial(make_record, steady=(), load=(), recovery=(), *, lengths=None, **fields):
    """A trial of these times per token; each request ends a second after the one before it. None fails."""
    records = []
    steps = [(phase, ms) for phase, of in zip(Phase, ((), steady, load, recovery), strict=True) for ms in of]
    for step, (phase, tpot_ms) in enumerate(steps, start=1):
        ended_ns = step * 1_000_000_000
        failure = {"success": False, "error": "HTTP 500"} if tpot_ms is None else {}
        records.append(
            make_record(
                **fields,
                **failure,
                phase=phase,
                step=step,
                completion_tokens=TOKENS,
                draft_length=lengths[step - 1] if lengths else 2,
                first_token_ns=ended_ns - round((tpot_ms or 1) * (TOKENS - 1) * 1e6),
                ended_ns=ended_ns,
            )
        )
    return records


def only_trial(*args, **fields):
    return dynamics(requests_of(trial(*args, **fields))).trials[0]


@pytest.mark.parametrize(
    ("under_load", "overshoot"),
    [
        ([40, 40, 40, 20, 20, 20], 1.0),  # a plateau of 40 that settles at 20
        ([20, 20, 20, 20, 20, 20], 0.0),
        ([90, 20, 20, 20, 20, 20], 0.0),  # one odd request moves nothing
        ([30, 40, 50, 20, 20, 20], 1.0),  # the median of the first three
        ([20, 20, 40, 40, 22], 0.0),  # highest window (20, 40, 40), second half (40, 40, 22)
        ([10, 10, 20, 20, 20, 20], 0.0),  # a late rise is where it settles
        ([20, 20, 20, 20], None),
        ([], None),
    ],
)
def test_overshoot_is_the_highest_rolling_median_over_where_it_settles(under_load, overshoot):
    assert overshoot_of(under_load) == (None if overshoot is None else pytest.approx(overshoot))


@given(st.lists(st.floats(1, 100), min_size=5, max_size=20), st.floats(0.1, 10))
def test_overshoot_has_no_unit(under_load, factor):
    assert overshoot_of([factor * ms for ms in under_load]) == pytest.approx(overshoot_of(under_load))


@pytest.mark.parametrize(
    ("after", "place"),
    [
        ([10, 10, 10, 10], 1),  # at the second request two of three are back
        ([10.4, 10.4, 9.6, 9.6], 1),  # within 5 % on either side
        ([20, 10, 10, 10], 2),  # of 30, 20, 10 the median is 20
        ([10, 10, 20, 20, 10, 10], 5),  # it has to stay
        ([10, 10, 10, 20], 1),  # one odd request does not undo it
        ([10, 10, 10, 20, 20], None),  # not back when the trial ended
        ([8, 8, 8, 8], None),  # faster is another level too
        ([30, 30, 10], None),
    ],
)
def test_recovery_is_the_first_request_from_which_the_rolling_median_stays_near_the_steady_one(after, place):
    assert recovered_at([10, 10, 10, 30, 30, 30], after, steady_ms=10) == place


def test_a_load_that_changed_nothing_is_recovered_from_at_once():
    assert recovered_at([10, 10, 10, 10], [10, 10, 10], steady_ms=10) == 0


def test_recovery_is_counted_from_the_end_of_the_last_request_under_load(make_record):
    found = only_trial(make_record, steady=[10] * 3, load=[30] * 5, recovery=[20, 10, 10, 10])
    assert found.observed_recovery
    assert (found.recovery_requests, found.recovery_s) == (3, pytest.approx(3.0))
    assert (found.steady_ms, found.settled_ms, found.overshoot) == (10, 30, 0)


def test_a_trial_that_did_not_recover_is_told_from_one_that_could_not_be_seen_to(make_record):
    missed = only_trial(make_record, steady=[10] * 3, load=[30] * 5, recovery=[30] * 4)
    assert (missed.observed_recovery, missed.recovery_requests, missed.recovery_s) == (True, None, None)
    for short in ({"steady": [10] * 2, "recovery": [10] * 4}, {"steady": [10] * 3, "recovery": [10] * 2}):
        unseen = only_trial(make_record, load=[30] * 5, **short)
        assert (unseen.observed_recovery, unseen.recovery_requests) == (False, None)


def test_windows_pass_over_failed_requests_which_are_counted(make_record):
    found = only_trial(
        make_record, steady=[10, None, 10, 10], load=[30] * 3 + [None] + [30] * 2, recovery=[None] + [10] * 3
    )
    assert found.unknown == 3
    assert found.overshoot == 0
    # The failed request is one of those that passed until it had recovered.
    assert (found.recovery_requests, found.recovery_s) == (3, pytest.approx(3.0))


def test_draft_changes_count_the_steps_whose_k_differs_failed_ones_too(make_record):
    lengths = [4, 5, 6, 6, 1, 2]
    found = only_trial(
        make_record, steady=[10, 10], load=[30, 30, None], recovery=[10], lengths=lengths, mode="adaptive"
    )
    assert found.draft_changes == 4
    unknown = only_trial(make_record, load=[30, 30], lengths=[None, None], mode="auto:ema")
    assert unknown.draft_changes is None


def test_only_trials_that_had_load_are_described(make_record):
    quiet = trial(make_record, steady=[10] * 6, block=1)
    assert dynamics(requests_of(quiet)) is None
    loaded = trial(make_record, steady=[10] * 3, load=[30] * 5, block=2)
    assert [one.block for one in dynamics(requests_of(quiet + loaded)).trials] == [2]


def test_a_mode_is_summarised_by_medians_in_which_a_trial_that_did_not_recover_counts_as_the_longest(make_record):
    recoveries = [[10] * 4, [20, 10, 10, 10], [30] * 4]
    records = []
    for block, recovery in enumerate(recoveries, start=1):
        records += trial(make_record, steady=[10] * 3, load=[30] * 5, recovery=recovery, block=block)
    (found,) = dynamics(requests_of(records)).modes
    assert (found.trials, found.recovered, found.recovery_trials, found.overshoot_trials) == (3, 2, 3, 3)
    assert (found.recovery_requests, found.recovery_s) == (3, pytest.approx(3.0))

    records += trial(make_record, steady=[10] * 3, load=[30] * 5, recovery=[30] * 4, block=4)
    (mostly_lost,) = dynamics(requests_of(records)).modes
    assert (mostly_lost.recovered, mostly_lost.recovery_requests, mostly_lost.recovery_s) == (2, None, None)


def test_modes_stand_in_their_usual_order():
    phases = {Phase.STEADY: 3, Phase.LOAD: 5, Phase.RECOVERY: 3}
    modes = ("adaptive", "fixed_10", "fixed_2")
    found = dynamics(requests_of(made_records(modes=modes, phases=phases, blocks=2)))
    assert [one.mode for one in found.modes] == ["fixed_2", "fixed_10", "adaptive"]
    assert len(found.trials) == 6


def slow_prompts(blocks, *, prompts=12):
    """Prompts whose times differ by up to a factor of 3, on a machine that is back at once when load ends."""
    names = [f"p{n}" for n in range(prompts)]
    return made_records(
        modes=("fixed_0", "fixed_2"),
        phases={Phase.STEADY: 5, Phase.LOAD: 5, Phase.RECOVERY: 5},
        blocks=blocks,
        prompts=names,
        tpot_ms=lambda cell: 10.0 * (1 + 2 * names.index(cell.prompt_id) / prompts) * (2 - (cell.phase != Phase.LOAD)),
    )


def test_slow_prompts_do_not_hide_a_recovery_where_other_blocks_tell_how_slow_they_are():
    evened = dynamics(requests_of(slow_prompts(8)))
    assert evened.prompts_evened
    assert all(mode.recovered == mode.recovery_trials == 8 for mode in evened.modes)
    assert all(mode.overshoot == pytest.approx(0, abs=0.02) for mode in evened.modes)
    raw = dynamics(requests_of(slow_prompts(2)))
    assert not raw.prompts_evened
    assert any(mode.recovered < mode.recovery_trials for mode in raw.modes)


def test_what_happens_at_one_place_of_every_trial_is_not_taken_for_its_prompt():
    def slow_at_first(cell):
        return 20.0 if cell.phase is Phase.RECOVERY and cell.step <= 13 else 10.0

    phases = {Phase.STEADY: 5, Phase.LOAD: 5, Phase.RECOVERY: 8}
    records = made_records(phases=phases, blocks=8, prompts=[f"p{n}" for n in range(18)], tpot_ms=slow_at_first)
    found = dynamics(requests_of(records))
    assert found.prompts_evened
    assert {mode.recovery_requests for mode in found.modes} == {5.0}


def test_the_recorded_runs_load_is_too_short_for_an_overshoot():
    found = dynamics(read_run(DEMO).requests)
    assert [one.mode for one in found.modes] == ["fixed_0", "fixed_2", "fixed_4", "fixed_8", "adaptive"]
    assert {one.overshoot for one in found.modes} == {None}
    assert all(one.recovery_trials == 1 for one in found.modes)
    assert next(one for one in found.modes if one.mode == "adaptive").draft_changes > 0
    assert Dynamics.model_validate_json(found.model_dump_json()) == found
