from __future__ import annotations

from halospec.contention.loads import ProcessLoad
from halospec.contention.process import program_of_process
from halospec.contention.program import Counted


def test_the_command_is_handed_on_word_by_word() -> None:
    program = program_of_process(ProcessLoad(("stress-ng", "--vm", "1", "a b", "--bytes-per-s")))
    assert program.arguments == ("guard", "stress-ng", "--vm", "1", "a b", "--bytes-per-s")
    assert program.workers == 1


def test_what_it_does_is_the_cpu_time_of_all_that_it_starts_as_percent_of_a_core() -> None:
    program = program_of_process(ProcessLoad(("stress-ng",)))
    assert program.counted is Counted.CPU_TIME
    assert program.starts_others
    assert 500_000_000 * program.scale / 1_000_000_000 == 50.0


def test_it_is_at_work_as_long_as_it_lives() -> None:
    assert program_of_process(ProcessLoad(("stress-ng",))).at_work_above is None
