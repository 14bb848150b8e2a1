import pytest

from halospec.analysis.adaptive import adaptive_trials, convergence_index, draft_changes
from halospec.records.classic_csv import ClassicRow
from halospec.records.schema import Phase
from summarized import measured


def trial(make_record, lengths, **fields):
    return [
        make_record(**({"mode": "adaptive"} | fields), step=step, draft_length=k)
        for step, k in enumerate(lengths, start=1)
    ]


@pytest.mark.parametrize(
    ("lengths", "changes"), [([], 0), ([4], 0), ([4, 4, 4], 0), ([4, 5, 6, 6, 4], 3), ([1, 2, 1, 2], 3)]
)
def test_draft_changes_count_steps_that_differ_from_the_one_before(lengths, changes):
    assert draft_changes(lengths) == changes


@pytest.mark.parametrize(
    ("lengths", "run", "index"),
    [
        ([4, 5, 6, 6, 6, 6, 6, 6], 5, 6),
        ([6, 6, 6, 6, 6], 5, 4),
        ([6, 6, 6, 6], 5, None),
        ([6, 6, 5, 6, 6, 5], 3, None),
        ([3, 3, 3, 4, 4, 4], 3, 2),
        ([7], 1, 0),
        ([], 5, None),
    ],
)
def test_convergence_ends_the_first_run_of_equal_lengths(lengths, run, index):
    assert convergence_index(lengths, run) == index


def test_a_trial_is_described_by_its_steps(make_record):
    (found,) = adaptive_trials(measured(trial(make_record, [4, 5, 6, 6, 6, 6, 6, 4])))

    assert found.mode == "adaptive"
    assert (found.steps, found.draft_changes) == (8, 3)
    assert found.convergence_step == 7
    assert (found.lowest_draft_length, found.highest_draft_length, found.last_draft_length) == (4, 6, 4)


def test_each_block_is_a_trial_of_its_own(make_record):
    records = trial(make_record, [4, 4], block=1) + trial(make_record, [5, 6], block=2)
    assert [(found.block, found.draft_changes) for found in adaptive_trials(measured(records))] == [(1, 0), (2, 1)]


def test_steps_count_in_their_order_whatever_the_order_of_the_records(make_record):
    records = trial(make_record, [4, 4, 6, 6])
    (found,) = adaptive_trials(measured([records[2], records[0], records[3], records[1]]))
    assert found.draft_changes == 1


def test_a_failed_step_chose_its_length_too(make_record):
    records = trial(make_record, [4, 6])
    records.append(make_record(mode="adaptive", step=3, draft_length=1, success=False, error="HTTP 500"))
    (found,) = adaptive_trials(measured(records))
    assert found.draft_changes == 2


def test_warm_up_is_not_a_step(make_record):
    warm = trial(make_record, [1, 8], phase=Phase.WARMUP)
    (found,) = adaptive_trials(measured(warm + trial(make_record, [4, 4])))
    assert (found.steps, found.draft_changes) == (2, 0)


def test_fixed_modes_and_lengths_chosen_inside_the_server_are_left_out(make_record):
    records = trial(make_record, [2, 2], mode="fixed_2") + trial(make_record, [None, None], mode="auto:ema")
    assert adaptive_trials(measured(records)) == ()


def test_rows_of_a_csv_begin_another_trial_where_the_step_starts_again():
    rows = [
        ClassicRow(n, step, "adaptive", Phase.STEADY, k, True, 100, 64)
        for n, (step, k) in enumerate([(1, 4), (2, 5), (1, 4), (2, 4)], start=1)
    ]
    assert [(found.block, found.draft_changes) for found in adaptive_trials(measured(rows))] == [(1, 1), (2, 0)]
