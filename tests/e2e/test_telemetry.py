"""What is read off the machine during a run against the bundled server, over real HTTP, by the command line."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import halospec, halospec_running, until
from halospec.records.manifest import Manifest, read_manifest
from halospec.records.schema import Phase
from halospec.records.store import RunFiles, read_records
from halospec.records.telemetry_table import read_telemetry
from halospec.records.ticks import read_ticks

pytestmark = pytest.mark.e2e


def asked(url: str, out: Path, *more: object) -> tuple[object, ...]:
    return (
        "run", "--url", url, "--modes", "fixed_0,fixed_2", "--warmup", 1, "--max-tokens", 64, "--ignore-eos",
        "--out", out, *more,
    )  # fmt: skip


def manifest_in(out: Path) -> Manifest:
    manifest = read_manifest(RunFiles(out).manifest)
    assert manifest is not None
    return manifest


def table_in(out: Path) -> pa.Table:
    return pq.read_table(RunFiles(out).telemetry)


def test_a_run_leaves_a_table_of_the_host_its_server_and_its_load(tiny_server, tmp_path):
    out = tmp_path / "run"
    phases = "steady:3,load:6,recovery:3"
    done = halospec(*asked(tiny_server, out, "--phases", phases, "--inject", "cpu:50%@workers=1"))
    assert done.returncode == 0, done.stderr
    table, records = table_in(out), read_records(out).records
    announced = {column.name for column in manifest_in(out).telemetry.columns}
    assert set(table.column_names) - {"at_ns"} <= announced
    at_ns = table["at_ns"].to_pylist()
    assert at_ns == sorted(at_ns)
    assert at_ns[0] <= records[0].started_ns
    assert table["host.cpu_percent"].null_count < len(at_ns)
    assert max(filter(None, table["server.cpu_percent"].to_pylist())) > 5
    loads = [name for name in table.column_names if name.startswith("load.cpu:50%")]
    assert sorted(name.rpartition(".")[2] for name in loads) == ["amount", "target"]
    under_load = [record for record in records if record.phase is Phase.LOAD]
    while_loaded = [at for at, amount in zip(at_ns, table[loads[0]].to_pylist(), strict=True) if amount is not None]
    assert while_loaded
    assert min(while_loaded) < max(record.ended_ns for record in under_load)


def test_the_server_is_the_process_that_listens(tiny_server, tmp_path):
    out = tmp_path / "run"
    done = halospec(*asked(tiny_server, out, "--phases", "steady:3", "--telemetry", "server", "--telemetry-hz", 20))
    assert done.returncode == 0, done.stderr
    table = table_in(out)
    assert {name.partition(".")[0] for name in table.column_names} == {"at_ns", "server"}
    port = int(tiny_server.rpartition(":")[2])
    (server,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
    rss = psutil.Process(server).memory_info().rss
    assert table["server.rss_bytes"].to_pylist()[-1] == pytest.approx(rss, rel=0.3)
    assert manifest_in(out).telemetry.hz == 20


def test_telemetry_that_is_off_leaves_nothing(tiny_server, tmp_path):
    out = tmp_path / "run"
    done = halospec(*asked(tiny_server, out, "--phases", "steady:2", "--telemetry", "off"))
    assert done.returncode == 0, done.stderr
    assert not RunFiles(out).telemetry.exists()
    assert not RunFiles(out).telemetry_journal.exists()
    assert manifest_in(out).telemetry is None


def test_a_killed_run_has_its_readings_and_goes_on_with_more(tiny_server, tmp_path):
    out = tmp_path / "run"
    journal = RunFiles(out).telemetry_journal
    with halospec_running(*asked(tiny_server, out, "--phases", "steady:4", "--blocks", 3, "--cool-down", 1)) as process:
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = list(read_ticks(journal))
    assert len(before) >= 20
    assert read_telemetry(out).num_rows == len(before)
    with journal.open("ab") as file:
        file.write(b'{"at_ns":17,"host.cp')

    done = halospec("run", "--resume", out, "--server-pid", os.getpid(), "--telemetry", "server")
    assert done.returncode == 0, done.stderr
    after = list(read_ticks(journal))
    assert after[: len(before)] == before
    assert all(tick.at_ns > before[-1].at_ns for tick in after[len(before) :])
    table = table_in(out)
    assert table.num_rows == len(after)
    assert table["host.load_1m"].to_pylist()[len(before) :] == [None] * (len(after) - len(before))
    # That process has the server and the measuring process as children; only the server is counted with it.
    assert table["server.processes"].to_pylist()[-1] == 2
    assert "host.cpu_percent" in {column.name for column in manifest_in(out).telemetry.columns}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (("--telemetry", "hosts"), "'hosts' is none of the sources host, server, gpu, energy, bandwidth"),
        (("--server-pid", 2**30), f"no process {2**30} on this machine"),
        (("--server-pid", 1, "--telemetry", "off"), "--telemetry leaves out"),
    ],
)
def test_what_cannot_be_read_by_its_name_is_refused_before_anything_is_sent(tmp_path, wrong, sentence):
    done = halospec(*asked("http://127.0.0.1:1", tmp_path / "run", *wrong))
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()
