"""The server that is to be measured, seen from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from halospec.doctor.checks.server import judge_server, server
from halospec.doctor.judgement import Unseen
from halospec.doctor.look import CpuUser
from halospec.records.fitness import State
from machine_stand_in import made_look

LISTENS = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"


@contextlib.contextmanager
def listening():
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.communicate("\n")


def test_a_server_of_this_machine_is_found_by_its_port(tree):
    with listening() as (pid, port):
        judgement = server(replace(tree.machine(made_look()), server_url=f"http://127.0.0.1:{port}/v1"))
    assert judgement.state is State.GOOD
    assert f"[{pid}], 1 thread on 2 cores, 0.00 of them busy" in judgement.found


def test_nobody_at_the_port_is_unknown_with_what_to_do(tree):
    with listening() as (_, port):
        pass
    judgement = server(replace(tree.machine(), server_url=f"http://127.0.0.1:{port}"))
    assert judgement.state is State.UNKNOWN
    assert str(port) in judgement.found
    # The doctor has no such option itself.
    assert judgement.remedy == "for a run: give its process with --server-pid"


def test_a_server_elsewhere_makes_the_other_lines_beside_the_point(tree):
    # An address of the documentation's (RFC 5737), which is nobody's.
    judgement = server(replace(tree.machine(), server_url="http://192.0.2.7:8080"))
    assert judgement.state is State.WARNING
    assert "another machine" in judgement.found
    assert "doctor" in judgement.remedy


def test_no_server_is_no_finding(tree):
    with pytest.raises(Unseen):
        server(tree.machine())


@pytest.mark.parametrize(("cores", "state"), [(0.1, State.GOOD), (0.4, State.GOOD), (0.7, State.WARNING)])
def test_a_server_that_is_busy_unasked_is_a_warning(cores, state):
    look = made_look(users=(CpuUser(5, "llama-server", cores / 2), CpuUser(6, "its child", cores / 2)))
    assert judge_server("llama-server [5]", [5, 6], 9, look).state is state


def test_what_others_do_is_not_the_servers():
    look = made_look(users=(CpuUser(os.getpid(), "other", 2.0),))
    assert judge_server("llama-server [5]", [5], 9, look).state is State.GOOD
