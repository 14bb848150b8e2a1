"""What a scenario lays down before anybody chooses anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halospec.recordings.rounds import recorded_rounds
from halospec.simulate.course import condition_named, make_course, texts_of_class
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.settings import SimulationSettings
from halospec.simulate.types import Scenario, Segment
from small_recordings import cost_table, recording, traced

SETTINGS = SimulationSettings()

EASY_TO_HARD = tuple(traced(f"p{n}", "1" + "1" * (9 - n) + "0" * n) for n in range(9))
BOTH = [*cost_table(), *cost_table(condition="cpu:1"), *cost_table(condition="cpu:12")]


def scenario(*segments: Segment, tokens_per_request: int = 8) -> Scenario:
    return Scenario("made", "Made up", tokens_per_request, segments)


def course(*segments: Segment, texts=EASY_TO_HARD, seed: int = 1, tokens_per_request: int = 8, settings=SETTINGS):
    asked = scenario(*segments, tokens_per_request=tokens_per_request)
    return make_course(recording(BOTH, *texts), asked, seed, settings)


def test_requests_cover_the_scenario_and_the_last_is_as_short_as_it_leaves_it():
    made = course(Segment(20, "quiet"))
    assert [request.tokens for request in made.requests] == [8, 8, 4]
    assert [request.begins for request in made.requests] == [0, 8, 16]


def test_a_segment_that_begins_inside_a_request_changes_the_load_at_once_and_the_texts_from_the_next_on():
    made = course(Segment(12, "quiet", prompts="p0"), Segment(12, "cpu:1", prompts="p8"))
    assert [request.text for request in made.requests] == [0, 0, 8]
    assert made.requests[1].segment == [0] * 4 + [1] * 4
    assert made.requests[1].condition == [0] * 4 + [1] * 4


def test_each_text_of_a_class_comes_once_before_any_comes_again():
    made = course(Segment(8 * 18, "quiet"))
    texts = [request.text for request in made.requests]
    assert sorted(texts[:9]) == sorted(texts[9:]) == list(range(9))
    assert texts[:9] != texts[9:], "in another order"


def test_easy_and_hard_are_the_thirds_with_the_most_and_the_fewest_matches():
    made = recording(BOTH, *EASY_TO_HARD)
    assert texts_of_class(made, "easy") == (0, 1, 2)
    assert texts_of_class(made, "hard") == (6, 7, 8)
    assert texts_of_class(made, "all") == tuple(range(9))
    assert texts_of_class(made, "p4") == (4,)


def test_a_text_is_replayed_from_its_second_token_on():
    """The first came with the prompt; what the draft thought of it does not matter."""
    (request,) = course(Segment(5, "quiet"), texts=[traced("only", "011010")], tokens_per_request=5).requests
    assert request.matches == [2, 1, 0, 1, 0]


def test_where_a_text_is_too_short_the_next_goes_on():
    (request,) = course(Segment(8, "quiet"), texts=[traced("short", "0110")]).requests
    assert request.matches == [2, 1, 0, 2, 1, 0, 2, 1]


def test_the_course_hangs_on_the_seed():
    def drawn(seed: int):
        made = course(Segment(8 * 9, "quiet"), seed=seed)
        return [(request.text, request.starts, request.chances) for request in made.requests]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_it_does_not_hang_on_what_comes_later():
    """The n-th request meets the same moments however long the scenario is."""
    short, long = course(Segment(16, "quiet")), course(Segment(16, "quiet"), Segment(16, "cpu:1"))
    for one, other in zip(short.requests, long.requests, strict=False):
        assert (one.text, one.starts, one.chances) == (other.text, other.starts, other.chances)


def test_warm_up_is_under_the_first_segments_condition_with_its_texts():
    made = course(Segment(16, "cpu:1", load_until="quiet", prompts="hard"), Segment(80, "quiet"))
    assert len(made.warm_up) == SETTINGS.warm_up
    assert all(request.condition == [1] * 8 for request in made.warm_up)
    assert {request.text for request in made.warm_up} <= {6, 7, 8}


def test_drift_goes_over_from_one_condition_to_the_other():
    made = course(Segment(8000, "quiet", load_until="cpu:1"))
    loaded = np.concatenate([request.condition for request in made.requests]).reshape(10, 800).mean(axis=1)
    np.testing.assert_allclose(loaded, np.linspace(0.05, 0.95, 10), atol=0.05)
    assert made.conditions == {0, 1}


def test_sampled_tokens_are_accepted_as_often_as_the_distributions_overlap():
    sure_and_torn = [traced("sure", "0" * 101, [0.9] * 101), traced("torn", "1" * 101, [0.3] * 101)]
    made = course(
        Segment(20_000, "quiet"),
        texts=sure_and_torn,
        tokens_per_request=100,
        settings=SimulationSettings(sampled=True),
    )
    rates = [
        np.mean([np.array(request.matches) > 0 for request in made.requests if request.text == text]) for text in (0, 1)
    ]
    assert rates == pytest.approx([0.9, 0.3], abs=0.02)


def test_loads_by_the_number_of_burners():
    made = recording(BOTH)
    assert condition_named(made, "most") == 2, "12 burners are more than 2, though not by the alphabet"
    assert condition_named(made, "least") == 1
    assert condition_named(made, "quiet") == 0


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        (Segment(8, "cpu:3"), "The recording has no condition 'cpu:3'; it has quiet, cpu:1, cpu:12."),
        (Segment(8, "quiet", load_until="cpu:3"), "no condition 'cpu:3'"),
        (Segment(8, "quiet", prompts="nobody"), "no text of two tokens or more for prompts 'nobody'"),
    ],
)
def test_what_was_not_recorded_is_refused_in_one_sentence(segment, said):
    with pytest.raises(CannotSimulate, match=said.replace(".", r"\.")):
        course(segment)


def test_load_needs_a_recording_with_load():
    with pytest.raises(CannotSimulate, match="no condition 'most', that is, none with load burners; it has quiet"):
        make_course(recording(cost_table()), scenario(Segment(8, "most")), 1, SETTINGS)


def test_texts_of_a_single_token_are_left_out():
    assert texts_of_class(recording(BOTH, traced("one", "1"), traced("more", "11")), "all") == (1,)
    with pytest.raises(CannotSimulate, match="no text of two tokens"):
        texts_of_class(recording(BOTH, traced("one", "1")), "all")


def test_a_recording_of_texts_alone_has_no_costs_to_simulate_with():
    texts_alone = replace(recording(cost_table()), rounds=recorded_rounds(()))
    with pytest.raises(CannotSimulate, match="texts but no timed rounds; record it without --no-costs"):
        make_course(texts_alone, scenario(Segment(8, "quiet")), 1, SETTINGS)


def test_a_single_text_is_easy_and_hard_at_once_and_comes_every_time():
    segments = (Segment(16, "quiet", prompts="easy"), Segment(16, "quiet", prompts="hard"))
    made = course(*segments, texts=[traced("p", "0110")])
    assert [request.text for request in made.requests] == [0] * 4
