from __future__ import annotations

from pathlib import Path

import pytest

from halospec.contention.profiles.replay import MOST_STEPS, Replay, Step
from halospec.contention.profiles.replay_file import replay_from_file

COURSE = Replay((Step(1.0, 50.0), Step(2.5, 0.0), Step(4.0, 80.0)))


def test_each_step_is_held_until_the_next_and_the_last_for_good() -> None:
    times_s = (1.0, 2.4999, 2.5, 3.9, 4.0, 1e6)
    assert [COURSE.level(at_s) for at_s in times_s] == [0.5, 0.5, 0.0, 0.0, 0.8, 0.8]


def test_before_the_first_step_there_is_nothing() -> None:
    assert COURSE.level(0.0) == COURSE.level(0.999) == 0.0


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([], "A replayed course needs at least one step above 0 %."),
        ([(0.0, 0.0), (1.0, 0.0)], "A replayed course needs at least one step above 0 %."),
        ([(1.0, 5.0), (1.0, 6.0)], "Each step must come after the one before, not at 1 s after 1 s."),
        ([(-1.0, 5.0)], "A step must come 0 s after the start or later, not at -1 s."),
        ([(0.0, 101.0)], "A step must lie between 0 and 100 % of the load's amount, not at 101 %."),
        ([(float("nan"), 5.0)], "A step must come 0 s after the start or later, not at nan s."),
        ([(float(n), 5.0) for n in range(MOST_STEPS + 1)], "A replayed course can have 10000 steps, not 10001;"),
    ],
)
def test_an_impossible_course_is_refused_in_a_sentence(steps: list[tuple[float, float]], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Replay(tuple(Step(*step) for step in steps))
    assert str(refusal.value).startswith(sentence)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "course.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "seconds,percent\n1,50\n2.5,0\n4,80\n",
        "seconds,percent\r\n1,50\r\n\r\n2.5,0\r\n4,80",
        '\N{BOM}Seconds, Percent\n"1"," 50"\n2.5,0.0\n,\n4.0,8e1\n',
    ],
    ids=["plain", "as Windows writes it", "as a spreadsheet writes it"],
)
def test_a_course_is_read_from_a_csv_file(content: str, tmp_path: Path) -> None:
    assert replay_from_file(written(tmp_path, content)) == COURSE


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "{path} must begin with the line seconds,percent, not ''."),
        ("0,50\n", "{path} must begin with the line seconds,percent, not '0,50'."),
        ("seconds,percent\n", "A replayed course needs at least one step above 0 %."),
        ("seconds,percent\n0,50\n1,half\n", "Line 3 of {path} must be two numbers, seconds and percent, not '1,half'."),
        ("seconds,percent\n0,50\n1\n", "Line 3 of {path} must be two numbers, seconds and percent, not '1'."),
        ("seconds,percent\n0,50,1\n", "Line 2 of {path} must be two numbers, seconds and percent, not '0,50,1'."),
        ("seconds,percent\n\n0,\x1b[31m\n", "Line 3 of {path} must be two numbers"),
        ("seconds,percent\n0,150\n", "Line 2 of {path} cannot be replayed: A step must lie between 0 and 100 %"),
        ("seconds,percent\n0,nan\n", "Line 2 of {path} cannot be replayed: A step must lie between 0 and 100 %"),
        ("seconds,percent\n5,50\n5,60\n", "Line 3 of {path} must come after the one before, not at 5 s after 5 s."),
        (b"\xff\xfe\x00", "{path} is no text in UTF-8, as a course to replay must be."),
        ("seconds,percent\n" + "9" * 200_000, "{path} is no CSV file (field larger than field limit"),
        ("seconds,percent\n" + "".join(f"{n},5\n" for n in range(MOST_STEPS + 1)), "{path} has more than 10000 steps"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(content: str | bytes, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ValueError) as refusal:
        replay_from_file(path)
    assert str(refusal.value).startswith(sentence.format(path=path))
    assert str(refusal.value).isprintable()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no file .*nowhere\.csv to replay\."):
        replay_from_file(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="There is no file"):
        replay_from_file(tmp_path)
