import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.acceptance_by_position import AcceptanceByPosition, acceptance_by_position
from halospec.analysis.loading import read_run, run_of
from halospec.records.schema import Phase, Round

DEMO = Path(__file__).parents[3] / "plots" / "demo"


def request(make_record, *rounds, **fields):
    """Each round: (k, accepted)."""
    return make_record(round_log=tuple(Round(k=k, accepted=accepted) for k, accepted in rounds), **fields)


def estimated(records, fewest_trials=1):
    run = run_of(records)
    return acceptance_by_position(run.requests, run.rounds, fewest_trials=fewest_trials)


def shares(row):
    return [(one.acceptance.count, one.acceptance.of) for one in row.positions]


def test_a_round_counts_where_it_drafted_and_all_before_was_kept(make_record):
    (row,) = estimated([request(make_record, (3, 3), (3, 1), (3, 0), (3, 2))])
    assert shares(row) == [(3, 4), (2, 3), (1, 2)]
    assert [one.position for one in row.positions] == [1, 2, 3]
    assert [one.reached for one in row.positions] == pytest.approx([3 / 4, 3 / 4 * 2 / 3, 1 / 4])
    assert (row.rounds, row.drafted, row.accepted) == (4, 12, 6)


def test_a_round_that_the_end_of_the_reply_cut_short_says_nothing_of_positions_it_did_not_draft(make_record):
    # Accepted over drafted would be 4 of 6; position 2 was reached by one round only, and kept.
    (row,) = estimated([request(make_record, (3, 3), (1, 1), (2, 0))])
    assert shares(row) == [(2, 3), (1, 1), (1, 1)]


def test_positions_that_too_few_rounds_reached_are_left_out_with_all_beyond(make_record):
    (row,) = estimated([request(make_record, *[(4, 4)] * 5, *[(4, 1)] * 25, *[(4, 0)] * 10)], fewest_trials=30)
    assert shares(row) == [(30, 40), (5, 30)]
    (none,) = estimated([request(make_record, (4, 4))], fewest_trials=30)
    assert none.positions == ()
    assert none.rounds == 1


def test_modes_and_phases_are_apart_and_warm_up_and_failures_left_out(make_record):
    records = [
        request(make_record, (1, 1), mode="fixed_1", phase=Phase.WARMUP),
        request(make_record, (1, 1), (1, 0), mode="fixed_1"),
        request(make_record, (2, 2), mode="fixed_2"),
        request(make_record, (1, 0), mode="fixed_1", phase=Phase.LOAD, step=2),
        request(make_record, (1, 1), mode="fixed_1", success=False, error="stream cut", step=3),
        request(make_record, (0, 0), (0, 0), mode="fixed_0"),
        request(make_record, (1, 1), mode="fixed_1", void=True),
    ]
    random.Random(1).shuffle(records)
    found = {(row.mode, row.phase): shares(row) for row in estimated(records)}
    assert found == {
        ("fixed_1", Phase.STEADY): [(1, 2)],
        ("fixed_1", Phase.LOAD): [(0, 1)],
        ("fixed_2", Phase.STEADY): [(1, 1), (1, 1)],
    }


def test_without_logged_rounds_there_is_nothing_to_say(make_record):
    assert estimated([make_record(drafted=8, accepted=4)]) is None
    assert estimated([request(make_record, (0, 0))]) is None


@given(st.lists(st.integers(0, 5).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k))), min_size=1, max_size=30))
def test_tokens_kept_at_all_positions_are_the_tokens_accepted(make_record, rounds):
    found = estimated([request(make_record, *rounds)])
    if found is None:
        assert all(k == 0 for k, _ in rounds)
        return
    (row,) = found
    assert sum(one.acceptance.count for one in row.positions) == row.accepted == sum(kept for _, kept in rounds)
    reached = [one.reached for one in row.positions]
    assert reached == sorted(reached, reverse=True)


def test_the_true_acceptance_is_found_though_acceptance_over_drafted_is_biased(make_record):
    chance = np.random.default_rng(1)
    accepted = np.minimum(chance.geometric(0.3, size=5000) - 1, 8)  # each position kept with probability 0.7
    (row,) = estimated([request(make_record, *((8, int(one)) for one in accepted), mode="fixed_8")], fewest_trials=200)
    assert row.accepted / row.drafted < 0.3
    assert [one.acceptance.value for one in row.positions] == pytest.approx([0.7] * len(row.positions), abs=0.05)
    assert sum(one.acceptance.low <= 0.7 <= one.acceptance.high for one in row.positions) >= len(row.positions) - 1


def test_the_recorded_run_shows_each_mode_that_drafts():
    run = read_run(DEMO)
    found = acceptance_by_position(run.requests, run.rounds)
    assert {row.mode for row in found} == {"fixed_2", "fixed_4", "fixed_8", "adaptive"}
    assert all(one.acceptance.of >= 30 for row in found for one in row.positions)
    assert [AcceptanceByPosition.model_validate_json(row.model_dump_json()) for row in found] == list(found)
