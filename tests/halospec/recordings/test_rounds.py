from __future__ import annotations

import pytest

from halospec.recordings.rounds import UnusableRounds, VisitedRounds, recorded_rounds
from halospec.recordings.visits import QUIET_MACHINE, ThreadSetting, Visit, burning
from halospec.records.schema import Round

SETTING = ThreadSetting(2, 1)


def done(k: int, accepted: int, **other: float) -> Round:
    logged = {
        "limit": k,
        "draft_us": 100.0 * k,
        "catch_up_us": 1.0,
        "verify_us": 50.0,
        "sample_us": 5.0,
        "threads": 2,
        "draft_threads": 1 if k else 0,
        "sequences": 1,
    }
    return Round.model_validate({"k": k, "accepted": accepted, **logged, **other})


def visited(*rounds: Round, burners: int = 0, after_change: bool = False) -> VisitedRounds:
    condition = burning(burners) if burners else QUIET_MACHINE
    return VisitedRounds(Visit(condition, SETTING, 0, after_change), rounds)


def test_missed_text_follows_from_the_rounds_before():
    text = visited(done(4, 4), done(2, 1), done(0, 0), done(0, 0), done(3, 3), done(0, 0), done(1, 0), done(1, 1))
    columns = recorded_rounds([text])
    assert columns.k.tolist() == [4, 2, 0, 0, 3, 0, 1, 1]
    assert columns.missed.tolist() == [1, 2, 0, 0, 3, 0, 3, 1]


def test_the_draft_begins_every_text_with_one_token():
    columns = recorded_rounds([visited(done(4, 4)), visited(done(4, 4))])
    assert columns.missed.tolist() == [1, 1]
    assert columns.visit.tolist() == [1, 2]


def test_choosing_tokens_belongs_to_verifying():
    columns = recorded_rounds([visited(done(3, 1))])
    assert columns.verify_us.tolist() == [55.0]
    assert (columns.draft_us.tolist(), columns.catch_up_us.tolist()) == ([300.0], [1.0])


def test_a_round_bears_the_setting_of_its_visit_even_if_nothing_was_drafted():
    columns = recorded_rounds([visited(done(0, 0))])
    assert (columns.threads.tolist(), columns.draft_threads.tolist()) == ([2], [1])


def test_the_first_rounds_after_a_change_of_condition_are_left_out_and_still_counted_for_missed_text():
    text = (done(2, 0), done(4, 4), done(1, 0))
    columns = recorded_rounds([visited(*text, burners=2, after_change=True), visited(*text, burners=2)])
    assert columns.conditions == ("cpu:2",)
    assert columns.visit.tolist() == [1, 2, 2, 2]
    assert columns.missed.tolist() == [2, 1, 1, 2]


def test_conditions_are_numbered_as_they_come():
    columns = recorded_rounds([visited(done(1, 0), burners=1), visited(done(1, 0)), visited(done(1, 0), burners=1)])
    assert columns.conditions == ("cpu:1", "quiet")
    assert columns.condition.tolist() == [0, 1, 0]


def test_without_visits_there_are_columns_all_the_same():
    columns = recorded_rounds([])
    assert len(columns) == 0
    assert columns.conditions == ()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"threads": None}, "does not say with how many threads"),
        ({"catch_up_us": None}, "does not say"),
        ({"sequences": 2}, "shared with another request"),
        ({"threads": 1}, "ran with 1 and 1 threads where 2 and 1 were asked for"),
        ({"draft_threads": 2}, "ran with 2 and 2 threads"),
    ],
)
def test_rounds_that_were_not_run_as_wanted_are_refused(fault, sentence):
    with pytest.raises(UnusableRounds, match=sentence):
        recorded_rounds([visited(done(2, 1, **fault))])
