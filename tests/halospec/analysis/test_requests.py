import numpy as np
import pytest

from halospec.analysis.loading import requests_of
from halospec.records.schema import Phase, Round


def test_groups_come_in_their_usual_order_and_hold_all_requests(make_record):
    requests = requests_of(
        [
            make_record(mode=mode, phase=phase)
            for mode in ("adaptive", "fixed_10", "fixed_2")
            for phase in (Phase.RECOVERY, Phase.STEADY)
        ]
    )
    assert requests.modes_here == ("fixed_2", "fixed_10", "adaptive")
    groups = [(mode, phase, len(group)) for mode, phase, group in requests.by_mode_and_phase()]
    assert groups == [(mode, phase, 1) for mode in requests.modes_here for phase in (Phase.STEADY, Phase.RECOVERY)]


def test_a_mode_that_was_not_run_has_no_requests(make_record):
    assert len(requests_of([make_record()]).of_mode("fixed_7")) == 0
    assert list(requests_of([]).by_mode()) == []


def test_trials_are_the_blocks_of_each_mode_with_steps_in_order(make_record):
    places = [(2, 1), (1, 3), (1, 1), (2, 2), (1, 2)]
    requests = requests_of([make_record(block=block, step=step) for block, step in places])
    trials = [(mode, block, trial.step.tolist()) for mode, block, trial in requests.by_trial()]
    assert trials == [("fixed_2", 1, [1, 2, 3]), ("fixed_2", 2, [1, 2])]


def test_the_length_in_force_is_what_was_asked_for_else_the_mean_over_the_rounds(make_record):
    rounds = tuple(Round(k=1, accepted=0, limit=limit) for limit in (2, 4, 6))
    requests = requests_of(
        [
            make_record(draft_length=8, round_log=rounds),
            make_record(draft_length=None, round_log=rounds[:2]),
            make_record(draft_length=None, void=True, round_log=rounds),
            make_record(draft_length=None, round_log=(*rounds, Round(k=1, accepted=0))),
            make_record(draft_length=None),
        ]
    )
    assert requests.length_in_force.tolist() == pytest.approx([8, 3, np.nan, np.nan], nan_ok=True)
