from __future__ import annotations

import string
from pathlib import Path, PurePath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from halospec.contention.loads import CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.contention.profiles.bounds import SHORTEST_S
from halospec.contention.profiles.bursts import Bursts
from halospec.contention.profiles.on_off import RandomOnOff
from halospec.contention.profiles.profile import WINDOW
from halospec.contention.profiles.ramp import Ramp
from halospec.contention.profiles.replay import Replay, Step
from halospec.contention.profiles.spelling import PROFILE_EXAMPLES, profile_spelled, spelling_of
from halospec.contention.profiles.square import Square
from halospec.contention.spelling import EXAMPLES, load_spelled, spelled
from halospec.cores import available_cores


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("cpu:75%", CpuLoad(percent=75.0)),
        ("cpu:2", CpuLoad(workers=2, percent=100.0)),
        ("cpu:75%@workers=1@cores=0,1@niceness=5", CpuLoad(1, 75.0, cores=(0, 1), niceness=5)),
        ("cpu:75%@workers=1@niceness=-5", CpuLoad(1, 75.0, niceness=-5)),
        ("CPU: 75 % @workers= 3", CpuLoad(3, 75.0)),
        ("memory:4GB/s", MemoryLoad(4.0)),
        ("memory:500MB/s@workers=2@buffer=1GB", MemoryLoad(0.5, workers=2, buffer_mb=1000.0)),
        ("cache:8GB/s@size=16MB@workers=1", CacheLoad(8.0, size_mb=16.0)),
        ("disk:50MB/s", DiskLoad(50.0)),
        ("disk:50MB/s@size=256MB@directory=/var/scratch", DiskLoad(50.0, 256.0, Path("/var/scratch"))),
        ("disk:50MB/s@directory=a=b,c@@d", DiskLoad(50.0, directory=Path("a=b,c@d"))),
        ("process:stress-ng --vm 1", ProcessLoad(("stress-ng", "--vm", "1"))),
        ("process: sh -c 'echo a@b:c' # d", ProcessLoad(("sh", "-c", "echo a@b:c", "#", "d"))),
    ],
)
def test_a_load_is_read_as_it_is_written(text: str, load: object) -> None:
    assert load_spelled(text) == Load(load, WINDOW)  # type: ignore[arg-type]


def test_pinned_workers_are_as_many_as_their_cores_unless_their_number_is_given() -> None:
    assert load_spelled("cpu:50%@cores=0-2").what == CpuLoad(3, 50.0, cores=(0, 1, 2))
    assert load_spelled("cpu:50%@cores=4,7@workers=1").what == CpuLoad(1, 50.0, cores=(4, 7))


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("window", WINDOW),
        ("bursts,on=2s,off=4s", Bursts(2.0, 4.0)),
        ("Bursts, off=1m, on=500ms", Bursts(0.5, 60.0)),
        ("ramp,over=20s", Ramp(20.0)),
        ("ramp,over=20s,from=100%,to=0%", Ramp(20.0, 100.0, 0.0)),
        ("square,period=10s", Square(10.0)),
        ("square,period=10s,high=90%,low=20%,duty=25%", Square(10.0, 90.0, 20.0, 25.0)),
        ("random,on=3s,off=3s,seed=7", RandomOnOff(3.0, 3.0, 7)),
        ("replay,at=0s:0%/2.5s:80%", Replay((Step(0.0, 0.0), Step(2.5, 80.0)))),
    ],
)
def test_a_course_in_time_is_read_as_it_is_written(text: str, profile: object) -> None:
    assert profile_spelled(text) == profile
    assert load_spelled(f"memory:1GB/s@profile={text}@workers=2") == Load(MemoryLoad(1.0, 2), profile)  # type: ignore[arg-type]


def test_a_replayed_file_is_read_at_once_so_that_a_plan_holds_its_values(tmp_path: Path) -> None:
    path = tmp_path / "a, b@c.csv"
    path.write_text("seconds,percent\n0,0\n2.5,80\n")
    load = load_spelled(f"cpu:1@profile=replay,file={str(path).replace('@', '@@')}")
    path.unlink()
    assert spelled(load) == "cpu:100%@workers=1@profile=replay,at=0s:0%/2.5s:80%"


def test_what_is_wrong_with_a_replayed_file_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "course.csv"
    path.write_text("seconds,percent\n0,none\n")
    assert refusal_of(f"cpu:1@profile=replay,file={path}").startswith(f"Line 2 of {path} must be two numbers")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("cpu:2", "cpu:100%@workers=2"),
        ("cpu:75%", f"cpu:75%@workers={available_cores()}"),
        ("cpu:50%@niceness=0@cores=1,0@workers=4", "cpu:50%@workers=4@cores=1,0"),
        ("memory:500MBps@workers=1", "memory:0.5GB/s"),
        ("cache:1GB/s@size=1GiB", "cache:1GB/s@size=1073.741824MB"),
        ("disk:1GB/s@size=256MB@directory=./x//y", "disk:1000MB/s@directory=x/y"),
        ("process:sh   -c  'a  b'", "process:sh -c 'a  b'"),
        ("cpu:1@profile=window", "cpu:100%@workers=1"),
        ("cpu:1@profile=bursts,off=1m,on=500ms", "cpu:100%@workers=1@profile=bursts,on=0.5s,off=60s"),
        ("cpu:1@profile=ramp,to=100%,over=5s", "cpu:100%@workers=1@profile=ramp,over=5s"),
    ],
)
def test_whatever_way_a_load_is_written_one_spelling_comes_back(text: str, canonical: str) -> None:
    assert spelled(load_spelled(text)) == str(canonical)
    assert spelled(load_spelled(canonical)) == canonical


def refusal_of(text: str) -> str:
    with pytest.raises(ValueError) as refusal:
        load_spelled(text)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"There is no load ''; write one such as {', '.join(EXAMPLES)}."),
        ("cpuu:75%", f"There is no load 'cpuu' (did you mean cpu?); write one such as {', '.join(EXAMPLES)}."),
        ("cpu", "cpu needs an amount, as in cpu:75%."),
        ("memory:@workers=2", "memory needs an amount, as in memory:4GB/s."),
        (
            "cpu:0.5",
            "cpu cannot have the amount '0.5': it should be a percentage, such as 75%, or a number of workers.",
        ),
        ("memory:75%", "memory cannot have the amount '75%': it should be a rate, such as 4GB/s or 500MB/s."),
        ("cpu:0", "CPU load needs at least 1 worker, not 0; leave the load off to run without any."),
        ("cpu:0%", "The load percent must be above 0 and at most 100, not 0; it is the share of each worker's core."),
        ("memory:0GB/s", "A memory load's GB/s must be above 0 and at most 1000000000, not 0."),
        ("memory:1e300GB/s", "A memory load's GB/s must be above 0 and at most 1000000000, not 1e+300."),
        ("disk:1MB/s@size=1e300GB", "A disk load's size must be above 0 and at most 1000000000, not 1e+303."),
        (
            "cpu:75%@worker=2",
            "cpu has no setting 'worker' (did you mean workers?); it has workers, cores, niceness and profile.",
        ),
        ("disk:5MB/s@workers=2", "disk has no setting 'workers'; it has size, directory and profile."),
        ("cpu:75%@workers", "cpu is given workers without a value; write workers=VALUE."),
        ("cpu:75%@workers=", "cpu is given workers without a value; write workers=VALUE."),
        ("cpu:75%@workers=two", "cpu cannot have workers=two: it should be a whole number."),
        ("cpu:75%@workers=2@workers=2", "cpu is given workers twice; give it once."),
        ("cpu:2@workers=2", "cpu is given workers twice; give it once."),
        ("cpu:75%@cores=0;1", "cpu cannot have cores=0;1: it should be numbers of cores, such as 0,1 or 0-3."),
        ("cpu:75%@cores=3-1", "cpu cannot have cores=3-1: it should be numbers of cores, such as 0,1 or 0-3."),
        (
            "cpu:1@profile=burst,on=1s",
            f"There is no profile 'burst' (did you mean bursts?); write one of {'; '.join(PROFILE_EXAMPLES)}.",
        ),
        ("cpu:1@profile=bursts,on=1s", "bursts needs off, as in bursts,on=2s,off=4s."),
        (
            "cpu:1@profile=bursts,on=1,off=2s",
            "bursts cannot have on=1: it should be a time, such as 2s, 500ms or 1m.",
        ),
        ("cpu:1@profile=bursts,", "bursts has no setting ''; it has on and off."),
        ("cpu:1@profile=window,on=1s", "window has no setting 'on'; it has none."),
        ("cpu:1@profile=replay", "replay needs at or file, as in replay,file=PATH."),
        (
            "cpu:1@profile=replay,at=0s",
            "replay cannot have at=0s: it should be times and percentages, such as 0s:0%/2.5s:80%.",
        ),
        ("cpu:1@profile=bursts,on=10ms,off=1s", "A burst must be at least 0.1 s, not 0.01 s."),
        ("process:", "A process load needs a command, as in process:stress-ng --vm 1."),
        (
            "process:sh -c 'a",
            'The command "sh -c \'a" cannot be taken apart: close its quotation mark, '
            "or double the backslash at its end.",
        ),
        (
            "process:\x1b[31mred",
            "A load is written without line breaks and control characters, unlike 'process:\ufffd[31mred'.",
        ),
    ],
)
def test_a_wrong_spelling_is_one_sentence_on_what_there_is(text: str, sentence: str) -> None:
    assert refusal_of(text) == sentence


@given(st.text(max_size=60) | st.text(alphabet="cpumeory:@=,/%0123456789.sGB'\\- ", max_size=60))
@example("cpu:75%@profile=random,on=1s,off=1s,seed=99999999999999999999")
@example("memory:1e400GB/s")
def test_no_text_can_do_more_than_be_refused_in_a_printable_sentence(text: str) -> None:
    refusal, load = None, None
    try:
        load = load_spelled(text)
    except ValueError as error:
        refusal = error
    if load is not None:
        assert load_spelled(spelled(load)) == load
    else:
        assert type(refusal) is ValueError
        assert str(refusal).endswith(".")
        assert str(refusal).isprintable()


def positive(most: float = 1e300) -> st.SearchStrategy[float]:
    return st.floats(min_value=0, max_value=most, exclude_min=True)


def percent(least: float = 0.0) -> st.SearchStrategy[float]:
    return st.floats(min_value=least, max_value=100)


PRINTABLE = st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs")) | st.just(" ")
TEXT = st.text(PRINTABLE | st.sampled_from("@=,:/%'\"\\~" + string.ascii_lowercase), max_size=20)
STRETCH_S = st.floats(min_value=SHORTEST_S, max_value=1e9)
WORKERS = st.integers(1, 10**9)


@st.composite
def squares(draw: st.DrawFn) -> Square:
    low = draw(percent())
    high = draw(percent(least=low))
    assume(low < high)
    return Square(draw(st.floats(1, 1e6)), high, low, draw(st.floats(10, 90)))


@st.composite
def replays(draw: st.DrawFn) -> Replay:
    times_s = draw(st.lists(st.floats(0, 1e9), min_size=1, max_size=20, unique=True))
    steps = tuple(Step(at_s, draw(percent())) for at_s in sorted(times_s))
    assume(any(step.percent for step in steps))
    return Replay(steps)


PROFILES = st.one_of(
    st.just(WINDOW),
    st.builds(Bursts, STRETCH_S, STRETCH_S),
    st.builds(Ramp, positive(), percent(), percent(least=0.001)),
    squares(),
    st.builds(RandomOnOff, STRETCH_S, STRETCH_S, st.integers(0, 2**63 - 1)),
    replays(),
)
TIMED = st.one_of(
    st.builds(
        CpuLoad,
        WORKERS,
        percent().filter(bool),
        st.lists(st.integers(0, 9999), unique=True, max_size=4).map(tuple),
        st.integers(-20, 19),
    ),
    st.builds(MemoryLoad, positive(1e9), WORKERS, st.none() | positive(1e9)),
    st.builds(CacheLoad, positive(1e9), WORKERS, st.none() | positive(1e9)),
    st.builds(DiskLoad, positive(1e9), positive(1e9), st.none() | TEXT.map(Path)),
)
COMMANDS = st.lists(TEXT, min_size=1, max_size=5).filter(lambda command: bool(command[0])).map(tuple)
LOADS = st.builds(Load, TIMED, PROFILES) | COMMANDS.map(lambda command: Load(ProcessLoad(command)))


@given(LOADS)
@example(Load(DiskLoad(1.0, directory=Path("@@/a@size=1MB@@@"))))
@example(Load(DiskLoad(1.0, directory=Path(" "))))
@example(Load(CpuLoad(1, 1 / 3), Ramp(0.1 + 0.2, 1 / 7, 200 / 3)))
def test_every_load_is_read_back_from_its_spelling_exactly(load: Load) -> None:
    assert load_spelled(spelled(load)) == load


@given(PROFILES)
def test_every_profile_is_read_back_from_its_spelling_exactly(profile: Bursts) -> None:
    assert profile_spelled(spelling_of(profile)) == profile


@pytest.mark.parametrize("load", [ProcessLoad(("sh", "-c", "a\nb")), DiskLoad(1.0, directory=Path("a\x1bb"))])
def test_what_cannot_be_printed_cannot_be_spelled(load: ProcessLoad | DiskLoad) -> None:
    with pytest.raises(ValueError, match="without line breaks and control characters"):
        spelled(Load(load))


def test_a_profile_of_somebody_elses_cannot_be_spelled() -> None:
    class Sine:
        def level(self, elapsed_s: float) -> float:
            return 0.5

    with pytest.raises(ValueError, match="cannot be written"):
        spelled(Load(CpuLoad(1), Sine()))


@pytest.mark.parametrize("text", [one for one in EXAMPLES if "COMMAND" not in one])
def test_the_examples_are_loads(text: str) -> None:
    assert load_spelled(text)


@pytest.mark.parametrize("text", [one for one in PROFILE_EXAMPLES if not PurePath(one).name.endswith("PATH")])
def test_the_examples_are_profiles(text: str) -> None:
    assert profile_spelled(text)
