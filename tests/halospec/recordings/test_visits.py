from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.loads import CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.recordings.visits import (
    QUIET_MACHINE,
    Condition,
    ThreadSetting,
    burning,
    default_conditions,
    default_settings,
    parse_condition,
    parse_setting,
    plan_visits,
)

OWN = ThreadSetting(2, 2)
CONDITIONS = (QUIET_MACHINE, burning(1), burning(2))


def planned(seed: int = 1, repetitions: int = 4, prompts: int = 5):
    return plan_visits(CONDITIONS, default_settings(OWN), repetitions=repetitions, prompts=prompts, seed=seed)


def test_conditions_are_named_by_what_burns():
    assert [condition.name for condition in CONDITIONS] == ["quiet", "cpu:1", "cpu:2"]
    assert [parse_condition(condition.name) for condition in CONDITIONS] == list(CONDITIONS)


@pytest.mark.parametrize(
    "loads",
    [
        (MemoryLoad(4.0),),
        (CpuLoad(2, percent=50.0),),
        (CpuLoad(2, niceness=5),),
        (CpuLoad(1), MemoryLoad(4.0)),
        (DiskLoad(50.0, directory=Path("a+b")), CacheLoad(8.0), CpuLoad(2)),
        (ProcessLoad(("bench", "a+b", "1+2")), CpuLoad(1)),
    ],
)
def test_any_loads_make_a_condition_whose_name_says_all_of_them(loads):
    condition = Condition(tuple(map(Load, loads)))
    assert parse_condition(condition.name) == condition


def test_plain_burners_are_called_as_they_always_were_whatever_else_there_is():
    assert parse_condition("cpu:1+memory:4GB/s").name.startswith("cpu:1+memory:4GB/s")
    assert parse_condition("cpu:100%@workers=2").name == "cpu:2"


@pytest.mark.parametrize(
    "word",
    ["", "cpu", "cpu:", "cpu:0", "cpu:-1", "cpu:1.5", "gpu:1", "2", "cpu:1+", "quiet+cpu:2"],
)
def test_other_words_are_no_load(word):
    with pytest.raises(ValueError, match=r"\.$"):
        parse_condition(word)


def test_a_load_comes_once_in_a_condition():
    with pytest.raises(ValueError, match="asked for twice"):
        parse_condition("cpu:1+cpu:100%@workers=1")


def test_a_setting_is_two_numbers():
    assert parse_setting("2:1") == ThreadSetting(2, 1)


@pytest.mark.parametrize("word", ["", "2", "2:", "2:0", "2:1:1", "a:b"])
def test_other_words_are_no_setting(word):
    with pytest.raises(ValueError, match="give TARGET:DRAFT"):
        parse_setting(word)


def test_by_default_one_core_and_all_of_them_are_loaded():
    assert default_conditions(8) == (QUIET_MACHINE, burning(1), burning(8))
    assert default_conditions(1) == (QUIET_MACHINE, burning(1))


def test_by_default_threads_are_taken_away_step_by_step():
    assert default_settings(ThreadSetting(4, 4)) == (ThreadSetting(4, 4), ThreadSetting(4, 1), ThreadSetting(1, 1))
    assert default_settings(ThreadSetting(1, 1)) == (ThreadSetting(1, 1),)


@given(seed=st.integers(0, 1000))
def test_every_repetition_visits_every_condition_with_every_setting_once(seed):
    visits = planned(seed)
    cells = [(visit.condition, visit.setting) for visit in visits]
    for start in range(0, len(cells), 9):
        assert set(cells[start : start + 9]) == {(c, s) for c in CONDITIONS for s in default_settings(OWN)}


def test_repetitions_have_orders_of_their_own_which_the_seed_fixes():
    visits = planned()
    orders = {tuple((v.condition, v.setting) for v in visits[start : start + 9]) for start in range(0, 36, 9)}
    assert len(orders) > 1
    assert planned() == visits
    assert planned(seed=2) != visits


def test_a_prompt_comes_back_only_after_all_others():
    visits = planned(prompts=5)
    assert set(Counter(visit.prompt for visit in visits[:35]).values()) == {7}
    assert all({v.prompt for v in visits[start : start + 5]} == set(range(5)) for start in range(0, 35, 5))


def test_a_change_of_the_condition_is_noted_and_a_change_of_threads_is_none():
    visits = planned()
    assert visits[0].after_change
    for before, now in pairwise(visits):
        assert now.after_change == (now.condition != before.condition)
