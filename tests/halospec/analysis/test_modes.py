"""How modes are told apart and put in order."""

from __future__ import annotations

from halospec.analysis.modes import adapts, fixed_length, in_order, reference_among


def test_a_fixed_length_is_one_with_the_servers_own_threads():
    assert fixed_length("fixed_4") == 4
    assert [fixed_length(mode) for mode in ("fixed_4@threads=1", "adaptive", "auto:fixed@draft_length=4")] == [None] * 3


def test_what_adapts_is_no_fixed_length_with_whatever_threads():
    assert not adapts("fixed_4")
    assert not adapts("fixed_4@threads=1@draft_threads=2")
    assert adapts("adaptive@smoothing=0.2")
    assert adapts("auto:heuristic")


def test_fixed_lengths_come_first_then_those_with_settings_then_the_rules():
    modes = ["heuristic", "auto:heuristic", "fixed_10", "fixed_2@threads=1", "fixed_2", "adaptive", "fixed_1@threads=2"]
    assert in_order(modes) == (
        "fixed_2", "fixed_10", "fixed_1@threads=2", "fixed_2@threads=1", "adaptive", "auto:heuristic", "heuristic",
    )  # fmt: skip


def test_plain_decoding_with_other_threads_is_not_what_all_others_are_held_against():
    assert reference_among(["fixed_0@threads=1", "fixed_2"]) == "fixed_2"
    assert reference_among(["fixed_0@threads=1", "fixed_2"], "fixed_0@threads=1") == "fixed_0@threads=1"
