"""What the server's processes use: real processes; the clock by which they are looked up again is pretended."""

from __future__ import annotations

import os
import subprocess
import time

import psutil
import pytest

from halospec.telemetry.protocol import Missing, Surroundings
from halospec.telemetry.server_sampler import RELISTED_EVERY_S, ServerSampler, open_server

PATIENCE_S = 20.0


def sampler_of(url: str | None = None, pid: int | None = None) -> ServerSampler:
    (found,) = open_server(Surroundings(url, pid))
    assert isinstance(found, ServerSampler)
    return found


def missing_of(url: str | None = None, pid: int | None = None) -> Missing:
    (found,) = open_server(Surroundings(url, pid))
    assert isinstance(found, Missing)
    return found


def cpu_percent_of(sampler: ServerSampler) -> float:
    """Return what a second of computing reads as."""
    sampler.read()
    time.sleep(1.0)
    return sampler.read()["cpu_percent"]


def test_a_server_at_rest_uses_memory_and_no_cpu(listen):
    server = listen()
    sampler = sampler_of(server.url)
    read = sampler.read()
    assert "cpu_percent" not in read
    assert read["processes"] == 1
    assert read["threads"] >= 1
    assert read["rss_bytes"] == pytest.approx(server.seen.memory_info().rss, rel=0.2)
    assert cpu_percent_of(sampler) < 20
    assert {column.name for column in sampler.columns} >= set(sampler.read())


def test_a_worker_counts_with_its_server(listen):
    server = listen(0, "busy")
    sampler = sampler_of(server.url)
    assert sampler.read()["processes"] == 2
    # A busy machine gives it less than a core; nothing gives it more.
    assert 5 < cpu_percent_of(sampler) < 130


def test_a_process_that_was_named_is_read_wherever_the_server_listens(listen):
    named, server = listen(), listen()
    sampler = sampler_of(server.url, named.process.pid)
    assert sampler.read()["rss_bytes"] == pytest.approx(named.seen.memory_info().rss, rel=0.2)
    named.end()
    assert sampler.read() == {}


def test_a_server_that_ends_leaves_its_columns_empty(listen):
    server = listen()
    sampler = sampler_of(server.url)
    assert sampler.read()
    server.end()
    assert sampler.read() == {}
    assert sampler.read() == {}


def test_a_server_that_was_killed_and_not_waited_for_uses_nothing(listen):
    server = listen()
    sampler = sampler_of(server.url)
    server.process.kill()
    os.waitid(os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
    assert server.seen.status() == psutil.STATUS_ZOMBIE
    assert sampler.read() == {}


def test_a_server_that_is_started_anew_is_found_again(listen):
    first = listen()
    sampler = sampler_of(first.url)
    assert sampler.read()
    first.end()
    assert sampler.read() == {}
    listen(first.port)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (read := sampler.read()):
        assert time.monotonic() < deadline_s, "not found again"
        time.sleep(0.1)
    assert read["processes"] == 1
    assert "cpu_percent" not in read


class PretendedTime:
    """A clock that goes on when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_new_descendants_are_found_every_few_seconds(listen):
    server = listen()
    clock = PretendedTime()
    sampler = ServerSampler((psutil.Process(server.process.pid),), lambda: (), now=clock)
    assert sampler.read()["processes"] == 1
    family = [server.seen, psutil.Process()]
    sampler._roots = tuple(family)
    clock.now_s = RELISTED_EVERY_S / 2
    assert sampler.read()["processes"] == 1
    other = subprocess.Popen(["sleep", "60"])
    try:
        sampler._roots = (server.seen, psutil.Process(other.pid))
        clock.now_s = 100 * RELISTED_EVERY_S
        assert sampler.read()["processes"] == 2
    finally:
        other.kill()
        other.wait()


def test_a_process_that_is_not_there_is_told():
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert f"no process {ended.pid}" in missing_of(pid=ended.pid).reason


def test_what_is_nobodys_or_elsewhere_is_told():
    assert "--server-pid" in missing_of().remedy
    assert "another machine" in missing_of("http://192.0.2.1:8080/v1").reason


def test_a_process_that_this_user_may_not_read_is_told(listen, monkeypatch):
    server = listen()

    def refuse(self):
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "memory_info", refuse)
    assert "may not read" in missing_of(server.url).reason
