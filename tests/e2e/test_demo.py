"""``halospec demo``, the main job: the embedded model, real load, tables and charts."""

from __future__ import annotations

import pytest

from command_line import halospec
from halospec.demo import DEMO_MODES, REFERENCE_DIRECTORY
from halospec.records.manifest import Status, read_manifest
from halospec.records.schema import Phase
from halospec.records.store import RunFiles, read_records

pytestmark = [pytest.mark.e2e, pytest.mark.demo]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "runs" / "demo"
    done = halospec("demo", "--out", out, timeout=900)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_it_measures_every_mode_in_every_phase_without_a_failure(demo):
    records = [r for r in read_records(demo[0]).records if not r.is_warmup]
    assert all(r.success and r.completion_tokens == 32 for r in records)
    for mode in DEMO_MODES:
        phases = [r.phase for r in records if r.mode == mode]
        assert phases == [Phase.STEADY] * 5 + [Phase.LOAD] * 3 + [Phase.RECOVERY] * 3


def test_the_same_prompts_go_to_every_mode(demo):
    records = read_records(demo[0]).records
    orders = {mode: [r.prompt_id for r in records if r.mode == mode and not r.is_warmup] for mode in DEMO_MODES}
    assert len({tuple(order) for order in orders.values()}) == 1


def test_speculation_is_real_drafts_of_the_twin_are_mostly_accepted(demo):
    fixed_2 = [r for r in read_records(demo[0]).records if r.mode == "fixed_2"]
    drafted, accepted = sum(r.drafted or 0 for r in fixed_2), sum(r.accepted or 0 for r in fixed_2)
    assert drafted > 100
    assert accepted / drafted > 0.5


def test_the_load_was_there_and_is_on_record(demo):
    loaded = [r for r in read_records(demo[0]).records if r.phase is Phase.LOAD]
    assert all((r.load_percent or 0.0) > 1.0 for r in loaded)


def test_it_shows_tables_charts_and_what_the_drafts_file_does_alone(demo):
    out, printed = demo
    assert all(mode in printed for mode in DEMO_MODES)
    assert "Plain Q4_1 decoding" in printed
    assert str(RunFiles(out).charts) in printed
    assert len(list(RunFiles(out).charts.glob("*.png"))) >= 6
    manifest = read_manifest(RunFiles(out).manifest)
    assert manifest is not None
    assert manifest.status is Status.COMPLETE
    assert manifest.server.loaded is not None
    assert "F32" in manifest.server.loaded["target"]["file"]
    reference = read_manifest(RunFiles(out / REFERENCE_DIRECTORY).manifest)
    assert reference is not None
    assert reference.server.loaded is not None
    assert "Q4_1" in reference.server.loaded["target"]["file"]
    assert reference.server.loaded["draft"] is None
