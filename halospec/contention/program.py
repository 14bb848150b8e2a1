"""How a kind of load is carried out: worker processes of one of our programs, and what counts as their work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Counted(Enum):
    """Where the count of a load's work comes from."""

    CPU_TIME = "cpu time"
    """Nanoseconds of CPU that the workers, and all that they started (`Program.starts_others`), have used."""
    OWN_COUNT = "own count"
    """Bytes, as each worker says in lines on its standard output."""


@dataclass(frozen=True)
class Program:
    """What is started for a load.

    Attributes
    ----------
    arguments
        Behind ``python -I -S …/contention/programs``: the program's name and its options, the same for every worker.
    scale
        The load's amount is the count's growth times this, by the nanoseconds that it took.
    at_work_above
        Amount, in the load's unit, above which it was at work; ``None``: as long as a worker is alive.
    cores, niceness
        As in `halospec.contention.loads.CpuLoad`.
    starts_others
        Whether workers start processes, whose CPU time then counts as theirs. To look for those costs some time.
    """

    arguments: tuple[str, ...]
    workers: int
    counted: Counted
    scale: float
    at_work_above: float | None
    cores: tuple[int, ...] = ()
    niceness: int = 0
    starts_others: bool = False
