"""Regret and intervals of policies whose time per token is stated, and the real simulator behind the same call."""

from __future__ import annotations

import numpy as np
import pytest

from halospec.simulate.errors import CannotSimulate
from halospec.simulate.findings import Study
from halospec.simulate.intervals import Verdict
from halospec.simulate.study import study
from halospec.simulate.synthetic import SyntheticSettings, synthetic_recording
from halospec.simulate.types import Scenario, Segment
from stand_in_simulations import QUIET_THEN_LOADED, STEADY, noisy_times, recording_unread, stated_times


def studied(
    spellings=("perfect", "slow"), seeds=(1, 2, 3), simulate=stated_times, scenarios=(QUIET_THEN_LOADED,), **more
):
    return study(recording_unread(), scenarios, spellings, seeds, processes=1, max_length=2, simulate=simulate, **more)


def scenario(**given):
    return studied(**given).scenarios[0]


def test_known_regret():
    """60 quiet tokens and 40 loaded ones. Fixed k = 0: 600 + 800 = 1400 ms, 1: 480 + 1200 = 1680, 2: 540 + 1000 = 1540.

    The oracle (k = 1, then 0) takes 480 + 800 = 1280. Seed 0 leaves the stated times as they are.
    """
    found = scenario(seeds=(0,))
    assert found.best_fixed == 0
    assert [(kind.label, kind.tokens, kind.best) for kind in found.kinds] == [("quiet", 60, 1), ("cpu:2", 40, 0)]
    assert found.kinds[1].ms_per_token == pytest.approx((20, 30, 25))
    assert found.best_fixed_ms_per_token == pytest.approx(14.0)
    assert found.oracle_ms_per_token == pytest.approx(12.8)
    assert found.headroom.percent == pytest.approx(100 * (12.8 / 14.0 - 1))
    slow = found.policy("slow")
    assert slow.ms_per_token == pytest.approx(0.6 * 12 + 0.4 * 40)
    assert slow.regret_ms == pytest.approx(23.2 - 14.0)
    assert slow.oracle_regret_ms == pytest.approx(23.2 - 12.8)
    assert slow.to_best_fixed.percent == pytest.approx(100 * (23.2 / 14.0 - 1))


def test_the_best_fixed_length_itself_has_no_regret():
    best = scenario().policy("fixed_0")
    assert best.regret_ms == 0
    assert best.to_best_fixed.percent == 0
    assert best.to_best_fixed.verdict is Verdict.UNDECIDED


def test_a_policy_that_does_what_the_oracle_does_has_no_regret_against_it_and_less_than_none_against_the_best_fixed():
    perfect = scenario().policy("perfect")
    assert perfect.oracle_regret_ms == pytest.approx(0)
    assert perfect.to_oracle.verdict is Verdict.UNDECIDED
    assert perfect.regret_ms < 0
    assert perfect.to_best_fixed.verdict is Verdict.BETTER


def test_a_slow_policy_is_worse():
    assert scenario().policy("slow").to_best_fixed.verdict is Verdict.WORSE


def test_where_nothing_changes_there_is_no_headroom():
    found = scenario(scenarios=(STEADY,))
    assert found.headroom.percent == 0
    assert found.best_fixed_under_load is None
    assert found.policy("perfect").under_load is None
    assert found.policy("perfect").quiet is not None


def test_load_is_also_judged_by_itself():
    """In the load phase k = 0 is best, 20 ms; moving the threads as well takes 10."""
    joint = scenario(spellings=("auto:joint",)).policy("auto:joint")
    assert joint.under_load is not None
    assert joint.under_load.percent == pytest.approx(-50)
    assert joint.under_load.verdict is Verdict.BETTER
    assert joint.quiet is not None
    assert joint.quiet.percent == pytest.approx(0)


def test_policies_are_compared_with_the_others_named():
    found = scenario(spellings=("perfect",), contenders=("perfect",), others=("slow",))
    (against,) = found.policy("perfect").others
    assert against.other == "slow"
    assert against.difference.percent == pytest.approx(100 * (12.8 / 23.2 - 1))
    assert found.policy("slow").others == ()


def test_intervals_are_wider_than_nothing_where_luck_plays_a_part():
    found = scenario(simulate=noisy_times, seeds=tuple(range(30)), spellings=("perfect",))
    to_best = found.policy("perfect").to_best_fixed
    assert to_best.low_percent < to_best.percent < to_best.high_percent
    assert to_best.verdict is Verdict.BETTER


def test_one_seed_gives_numbers_without_intervals():
    found = scenario(seeds=(4,))
    assert found.headroom.low_percent is None
    assert found.policy("perfect").to_best_fixed.verdict is Verdict.UNDECIDED


def test_fixed_lengths_are_studied_once_whether_asked_for_or_not():
    assert studied(spellings=("fixed_1", "perfect")).spellings == ("fixed_0", "fixed_1", "fixed_2", "perfect")


def test_the_tracks_add_up_to_the_regret():
    found = scenario(tracked=("slow",), seeds=(0,))
    slow, best = found.tracks
    assert (slow.spelling, best.spelling) == ("slow", "fixed_0")
    assert slow.regret_s[-1] == pytest.approx((2320 - 1280) / 1e3)
    assert best.k == (0,) * (len(found.edges) - 1)
    assert found.oracle_k[0] == 1
    assert found.oracle_k[-1] == 0
    assert found.loaded == ((60, 100),)


def test_a_study_survives_being_written_and_read():
    found = studied(tracked=("perfect",), contenders=("slow",), others=("perfect",))
    assert Study.model_validate_json(found.model_dump_json()) == found


def test_progress_is_told_task_by_task():
    told: list[tuple[int, int]] = []
    studied(seeds=(1, 2), on_progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


def test_without_a_seed_there_is_nothing_to_study():
    with pytest.raises(ValueError, match="at least one seed"):
        studied(seeds=())


def test_the_order_of_seeds_does_not_matter():
    there, back = scenario(seeds=(1, 2, 3), simulate=noisy_times), scenario(seeds=(3, 2, 1), simulate=noisy_times)
    assert there.policy("slow").to_best_fixed.percent == pytest.approx(back.policy("slow").to_best_fixed.percent)
    assert np.isclose(there.headroom.percent, back.headroom.percent)


def test_two_processes_find_what_one_does():
    """With the real simulator, since the stand-in is known to this process alone."""
    recording = synthetic_recording(SyntheticSettings(rounds=200, texts=6))
    short = Scenario("short", "quiet, then loaded", 16, (Segment(64, "quiet"), Segment(64, "cpu:2")))
    alone, together = (study(recording, (short,), ("adaptive",), (1, 2), processes=count) for count in (1, 2))
    assert alone == together
    assert alone.scenarios[0].policy("adaptive").ms_per_token > 0


@pytest.mark.parametrize("max_length", [-1, 17])
def test_fixed_lengths_that_no_mode_has_are_refused(max_length):
    with pytest.raises(CannotSimulate, match=f"Fixed draft lengths go up to 16, and {max_length} is no bound"):
        study(recording_unread(), (STEADY,), (), (1,), max_length=max_length)
