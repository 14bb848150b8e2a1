"""Scenario files: the shipped ones, and what a file may hold."""

from __future__ import annotations

from inspect import getdoc

import pytest

from halospec.simulate import scenarios
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.scenarios import SHIPPED, scenario_named, shipped_scenarios
from halospec.simulate.simulation import simulate
from halospec.simulate.synthetic import SyntheticSettings, synthetic_recording
from halospec.simulate.types import Segment

MADE_UP = synthetic_recording(SyntheticSettings(rounds=400, texts=6))


@pytest.mark.parametrize("shipped", shipped_scenarios(), ids=lambda scenario: scenario.name)
def test_a_shipped_scenario_is_of_a_length_to_learn_in_and_runs_on_any_recording(shipped):
    assert 60 <= shipped.tokens / shipped.tokens_per_request <= 100
    assert simulate(MADE_UP, shipped, "fixed_8", 1).tokens.sum() == shipped.tokens


def test_shipped_scenarios_differ():
    assert len({scenario.segments for scenario in shipped_scenarios()}) == len(SHIPPED)
    assert len({segment.kind for segment in scenario_named("stationary").segments}) == 1


def test_bursts_are_shorter_than_a_request():
    bursts = scenario_named("bursts")
    assert {segment.tokens for segment in bursts.segments if segment.load == "most"} == {48}
    assert bursts.tokens_per_request == 96


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return str(path)

    return write


def test_a_file_of_ones_own(file):
    read = scenario_named(
        file(
            """
            title = "Mine"
            tokens_per_request = 10
            repeat = 2
            [[segments]]
            requests = 3
            load = "quiet"
            [[segments]]
            tokens = 5
            load = "quiet"
            load_until = "most"
            prompts = "hard"
            """
        )
    )
    assert (read.name, read.title, read.tokens_per_request) == ("mine", "Mine", 10)
    assert read.segments == (Segment(30, "quiet"), Segment(5, "quiet", "most", "hard")) * 2


def test_the_documented_example_is_a_scenario(file):
    lines = getdoc(scenarios).split("::\n", 1)[1].splitlines()
    assert len(scenario_named(file("\n".join(line.strip() for line in lines))).segments) == 4


SEGMENT = '[[segments]]\nload = "quiet"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "mine.toml is no TOML: Invalid value"),
        ('title = "x"\nsegments = []', "segments: Tuple should have at least 1 item"),
        (SEGMENT + "tokens = 3", "title: Field required."),
        ('title = "x"\n' + SEGMENT, "segments.1: give either requests or tokens."),
        ('title = "x"\n' + SEGMENT + "tokens = 3\nrequests = 2", "segments.1: give either requests or tokens."),
        ('title = "x"\n' + SEGMENT + "tokens = 0", "segments.1.tokens: Input should be greater than or equal to 1."),
        ('title = "x"\n' + SEGMENT + "tokens = 3\nweather = 1", "segments.1.weather: Extra inputs are not permitted."),
        ('title = "x"\nrepeat = 100000\n' + SEGMENT + "tokens = 1000", "it is 100000000 tokens long, and the most is"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(file, text, said):
    with pytest.raises(CannotSimulate) as refused:
        scenario_named(file(text))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_neither_a_name_nor_a_file():
    with pytest.raises(
        CannotSimulate, match="There is no scenario and no file 'weather'; the shipped ones are steady, "
    ):
        scenario_named("weather")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CannotSimulate, match="is not text in UTF-8"):
        scenario_named(str(path))
