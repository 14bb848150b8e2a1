"""Going on with a run whose journal was cut, at every byte of it.

The server, the load and the time are stand-ins; the files are real.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import pytest

from halospec.endpoints.retry import RetryPolicy
from halospec.experiment.coverage import Coverage
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import INTERLEAVED, Plan, Trial
from halospec.experiment.resume import Resumed, last_moment_ns, prepare_resumption
from halospec.experiment.runner import Runner
from halospec.records.decisions import ChosenSetting, DecisionRecord
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.schema import PRELOAD
from halospec.records.store import RecordJournal, RunFiles, StoreError, read_lines, read_records
from halospec.workloads.prompts import Prompt
from stand_in_knobs import StandInKnob
from stand_in_runs import Ledger, PretendedTime, StandInInjector, StandInServer, id_of, planned_phase

pytestmark = pytest.mark.anyio

STEPS = parse_phases("steady:1,load:1,recovery:1")
PROMPTS = (Prompt("a", "A?"), Prompt("b", "B?"))
BLOCKED = Plan(
    tuple(Trial(block, mode, STEPS) for block in (1, 2) for mode in ("adaptive", "fixed_2")), PROMPTS, warmup=1, seed=3
)
TURNS = Plan(
    tuple(
        Trial(block, INTERLEAVED, parse_phases("steady:1,load:2,recovery:1"), together=("fixed_0", "fixed_2"))
        for block in (1, 2)
    ),
    PROMPTS,
    warmup=1,
    seed=3,
)
TIMED = Plan(
    tuple(Trial(block, "fixed_2", parse_phases("steady:0.03s")) for block in (1, 2)), PROMPTS, warmup=1, seed=3
)


def small(plan: Plan) -> Plan:
    """Return a plan of half as many requests."""
    trials = tuple(replace(trial, phases=parse_phases("steady:1,load:1")) for trial in plan.trials)
    return replace(plan, trials=trials if plan is BLOCKED else plan.trials[:1])


PLANS = pytest.mark.parametrize("plan", [BLOCKED, TURNS, TIMED], ids=["blocked", "interleaved", "in seconds"])


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def _disk_that_never_waits(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def directory(tmp_path):
    """A directory, in memory where there is such a place: a disk takes milliseconds for each of a myriad of cuts."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@dataclass
class Keeping(Ledger):
    """Writes what the runner reports into a run directory, as a session does."""

    files: RunFiles | None = None

    def __enter__(self):
        self._records, self._loads = RecordJournal(self.files.records), RecordJournal(self.files.load)
        return self

    def __exit__(self, *_):
        self._records.close()
        self._loads.close()

    def request_ended(self, record):
        self._records.append(record)

    def trial_ended(self, load):
        self._loads.append(load)


async def measure(files: RunFiles, plan: Plan, coverage: Coverage, now_ns: int) -> None:
    clock = PretendedTime(now_ns)
    server = StandInServer(clock, sleep=clock.sleep, takes_s=0.02)
    with Keeping(files=files) as keeping:
        runner = Runner(
            server, StandInKnob(), lambda: StandInInjector(clock), keeping, clock, trial_ids=id_of,
            retries=RetryPolicy(),
        )  # fmt: skip
        await runner.run(plan, coverage)


async def go_on(files: RunFiles, plan: Plan) -> Resumed:
    resumed = prepare_resumption(files, plan, id_of)
    await measure(files, plan, resumed.coverage, resumed.last_ns + 1)
    return resumed


@dataclass(frozen=True)
class Whole:
    """The journals of a run that nobody cut short."""

    records: bytes
    loads: bytes

    @cached_property
    def _trials(self) -> list[str]:
        return [json.loads(line)["trial_id"] for line in self.records.splitlines()]

    @cached_property
    def _loads(self) -> list[tuple[str, bytes]]:
        return [(json.loads(line)["trial_id"], line) for line in self.loads.splitlines(keepends=True)]

    def loads_before(self, held: int) -> bytes:
        """Return the load reports of the trials that had ended when the journal had its first ``held`` records."""
        ended = set(self._trials[:held]) - set(self._trials[held:])
        return b"".join(line for trial, line in self._loads if trial in ended)


async def whole_run(directory: Path, plan: Plan) -> Whole:
    files = RunFiles(directory)
    await measure(files, plan, Coverage(), 0)
    return Whole(files.records.read_bytes(), files.load.read_bytes())


def cut(files: RunFiles, records: bytes, loads: bytes) -> None:
    files.directory.mkdir(exist_ok=True)
    files.records.write_bytes(records)
    files.load.write_bytes(loads)


def intact_lines(content: bytes) -> list[bytes]:
    """Return the lines that hold all of a record, whether or not the newline made it to the disk."""
    *lines, rest = content.split(b"\n")
    return [*lines, rest] if is_json(rest) else lines


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def unvoided(content: bytes) -> bytes:
    return content.replace(b'"void":true', b'"void":false')


def assert_nothing_is_lost(before: bytes, after: bytes) -> None:
    """Every whole line is there, byte for byte apart from its mark, and what was void is."""
    old, new = intact_lines(before), after.splitlines()
    assert len(new) >= len(old)
    for was, now in zip(old, new, strict=False):
        assert now == was or (b'"void":true' in now and unvoided(now) == was)


def assert_the_run_is_whole(files: RunFiles, plan: Plan) -> None:
    records = read_records(files.directory).records
    live = [r for r in records if not r.void and r.mode != PRELOAD]
    measured = [r for r in live if not r.is_warmup]
    steps = {load.trial_id: load.steps for load in read_lines(files.load, LoadReport) if load.steps is not None}
    assert Counter((r.trial_id, r.step, r.mode) for r in measured) == {
        (id_of(trial), step, mode): 1
        for trial in plan.trials
        for step in range(1, (trial.phases.steps or steps[id_of(trial)]) + 1)
        for mode in trial.modes
    }
    assert Counter((r.trial_id, r.step, r.mode) for r in live if r.is_warmup) == {
        (id_of(trial), number, mode): 1
        for trial in plan.trials
        for number in range(1, plan.warmup + 1)
        for mode in trial.modes
    }
    assert all(earlier.ended_ns <= later.started_ns for earlier, later in pairwise(records))
    assert all(earlier.global_step < later.global_step for earlier, later in pairwise(measured))
    assert len({r.global_step for r in records if not r.is_warmup}) == sum(not r.is_warmup for r in records)
    assert all(len({r.trial_attempt for r in live if r.trial_id == id_of(trial)}) == 1 for trial in plan.trials)
    phases = {id_of(trial): trial.phases for trial in plan.trials}
    assert [r.phase for r in measured] == [planned_phase(phases[r.trial_id], r.step) for r in measured]


async def assert_there_is_nothing_left_to_do(files: RunFiles, plan: Plan) -> None:
    before = (files.records.read_bytes(), files.load.read_bytes())
    resumed = await go_on(files, plan)
    assert (resumed.voided, resumed.coverage.requests_left(plan)) == (0, 0)
    assert (files.records.read_bytes(), files.load.read_bytes()) == before


@pytest.mark.parametrize("plan", [small(BLOCKED), small(TURNS), TIMED], ids=["blocked", "interleaved", "in seconds"])
async def test_a_run_cut_at_any_byte_goes_on_to_its_end_and_loses_nothing(directory, plan):
    whole = await whole_run(directory / "whole", plan)
    files = RunFiles(directory / "cut")
    prepared: dict[tuple[int, int], bytes] = {}
    for at in range(len(whole.records) + 1):
        content = whole.records[:at]
        held = len(intact_lines(content))
        ended = whole.loads_before(held)
        torn = ended + whole.loads[len(ended) :][: at % 97]
        loads = (ended, torn, whole.loads, b"")[at % 4]
        cut(files, content, loads)

        resumed = prepare_resumption(files, plan, id_of)

        ready = files.records.read_bytes()
        assert resumed.records == held
        assert ready.count(b'"void":true') == resumed.voided
        assert_nothing_is_lost(content, ready)
        # Wherever in a line the cut fell, what is left to do is the same; so it is done once for each line.
        if prepared.setdefault((held, at % 4), ready) is ready:
            await measure(files, plan, resumed.coverage, resumed.last_ns + 1)
            assert_nothing_is_lost(content, files.records.read_bytes())
            assert_the_run_is_whole(files, plan)
            await assert_there_is_nothing_left_to_do(files, plan)
        assert ready == prepared[held, at % 4]
    assert {held for held, _ in prepared} == set(range(whole.records.count(b"\n") + 1))


@PLANS
async def test_a_run_that_went_on_can_be_cut_again_anywhere(directory, plan):
    whole = await whole_run(directory / "whole", plan)
    files = RunFiles(directory / "cut")
    lines = whole.records.splitlines(keepends=True)
    for held in range(len(lines)):
        first = b"".join(lines[:held]) + lines[held][:40]
        cut(files, first, whole.loads_before(held))
        await go_on(files, plan)
        longer = Whole(files.records.read_bytes(), files.load.read_bytes())
        again = longer.records.splitlines(keepends=True)
        for kept in range(held, len(again), 2):
            cut(files, b"".join(again[:kept]) + again[kept][:40], longer.loads_before(kept))
            before = files.records.read_bytes()
            await go_on(files, plan)
            assert_nothing_is_lost(unvoided(before), unvoided(files.records.read_bytes()))
            assert_the_run_is_whole(files, plan)
            await assert_there_is_nothing_left_to_do(files, plan)


async def test_an_interleaved_block_goes_on_at_the_next_request_and_repeats_nothing(directory):
    whole = await whole_run(directory / "whole", TURNS)
    lines = whole.records.splitlines(keepends=True)
    files = RunFiles(directory / "cut")
    for held in range(len(lines)):
        cut(files, b"".join(lines[:held]), whole.loads_before(held))
        resumed = await go_on(files, TURNS)
        assert resumed.voided == 0
        assert resumed.coverage.requests_left(TURNS) == len(lines) - held
        assert len(read_records(files.directory).records) == len(lines)


async def test_a_trial_of_one_mode_is_begun_anew_with_its_records_kept_as_void(directory):
    whole = await whole_run(directory / "whole", BLOCKED)
    files = RunFiles(directory / "cut")
    cut(files, b"".join(whole.records.splitlines(keepends=True)[:6]), whole.loads_before(6))
    resumed = await go_on(files, BLOCKED)
    records = read_records(files.directory).records
    assert (resumed.records, resumed.voided) == (6, 2)
    assert [(r.void, r.trial_attempt) for r in records[:10]] == ([(False, 1)] * 4 + [(True, 1)] * 2 + [(False, 2)] * 4)
    assert {r.trial_id for r in records[4:10]} == {id_of(BLOCKED.trials[1])}


async def test_the_server_is_loaded_beforehand_in_every_process_and_only_before_what_is_left(directory):
    plan = replace(TURNS, preload=2)
    whole = await whole_run(directory / "whole", plan)
    lines = whole.records.splitlines(keepends=True)
    files = RunFiles(directory / "cut")
    cut(files, b"".join(lines[:12]), whole.loads_before(12))
    await go_on(files, plan)
    records = read_records(files.directory).records
    assert [(n, r.block, r.trial_id) for n, r in enumerate(records) if r.mode == PRELOAD] == [
        (0, 1, id_of(plan.trials[0])),
        (1, 1, id_of(plan.trials[0])),
        (12, 2, id_of(plan.trials[1])),
        (13, 2, id_of(plan.trials[1])),
    ]
    assert_the_run_is_whole(files, plan)
    await assert_there_is_nothing_left_to_do(files, plan)


async def test_preparing_twice_does_no_more_than_once(directory):
    whole = await whole_run(directory / "whole", BLOCKED)
    files = RunFiles(directory / "cut")
    cut(files, b"".join(whole.records.splitlines(keepends=True)[:6]) + b"{", b"")
    first = prepare_resumption(files, BLOCKED, id_of)
    ready = files.records.read_bytes()
    second = prepare_resumption(files, BLOCKED, id_of)
    assert files.records.read_bytes() == ready
    assert (first.coverage, first.records, first.last_ns) == (second.coverage, second.records, second.last_ns)
    assert (first.voided > 0, second.voided) == (True, 0)


def test_a_run_that_left_no_journal_begins_at_the_beginning(directory):
    resumed = prepare_resumption(RunFiles(directory), BLOCKED, id_of)
    assert (resumed.records, resumed.voided, resumed.last_ns) == (0, 0, 0)
    assert resumed.coverage.requests_left(BLOCKED) == BLOCKED.request_count
    assert list(directory.iterdir()) == []


async def test_the_clock_goes_on_after_the_end_of_a_load_that_outlasted_the_last_record(directory):
    await whole_run(directory, BLOCKED)
    files = RunFiles(directory)
    lasting = InjectedLoad(
        name="memory:4GB/s", kind=LoadKind.MEMORY, unit="GB/s", workers=1, started_ns=1, ended_ns=10**15
    )
    load = LoadReport(block=2, mode="fixed_2", loads=(lasting.model_copy(update={"ended_ns": 2}), lasting))
    with RecordJournal(files.load) as journal:
        journal.append(load)
    assert last_moment_ns(files) == 10**15


@pytest.mark.parametrize("name", ["records.jsonl", "load.jsonl", "switches.jsonl"])
async def test_a_broken_line_in_the_middle_is_named_and_nothing_is_changed(directory, name):
    whole = await whole_run(directory / "whole", BLOCKED)
    files = RunFiles(directory / "cut")
    cut(files, whole.records[:-200], whole.loads)
    broken = files.directory / name
    broken.write_bytes(b'{"mode": "fix\n' + (broken.read_bytes() if broken.exists() else b""))
    before = files.records.read_bytes()
    with pytest.raises(StoreError, match=rf"{name}, line 1 is not"):
        prepare_resumption(files, BLOCKED, id_of)
    assert files.records.read_bytes() == before


async def test_a_decision_that_was_cut_short_is_cut_off_so_that_the_next_starts_a_line(directory):
    whole = await whole_run(directory / "whole", BLOCKED)
    files = RunFiles(directory / "cut")
    cut(files, whole.records[:-200], whole.loads)
    line = DecisionRecord(mode="cost_model", block=1, step=1, chosen=ChosenSetting(draft_length=2), reason="best")
    files.decisions.write_text(line.model_dump_json() + "\n" + line.model_dump_json()[:40])
    prepare_resumption(files, BLOCKED, id_of)
    with RecordJournal(files.decisions) as journal:
        journal.append(line)
    assert list(read_lines(files.decisions, DecisionRecord)) == [line, line]


async def test_records_of_another_plan_are_refused_and_nothing_is_changed(directory):
    whole = await whole_run(directory / "whole", BLOCKED)
    files = RunFiles(directory / "cut")
    cut(files, whole.records[:-200], whole.loads)
    before = files.records.read_bytes()
    with pytest.raises(StoreError, match="line 1 is of a trial that this plan does not have"):
        prepare_resumption(files, TURNS, id_of)
    assert files.records.read_bytes() == before


async def test_a_process_killed_while_records_are_marked_leaves_the_journal_as_it_was(directory, monkeypatch):
    whole = await whole_run(directory / "whole", BLOCKED)
    files = RunFiles(directory / "cut")
    kept = b"".join(whole.records.splitlines(keepends=True)[:6])
    cut(files, kept, b"")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_resumption(files, BLOCKED, id_of)
    assert files.records.read_bytes() == kept
    await go_on(files, BLOCKED)
    assert_the_run_is_whole(files, BLOCKED)
