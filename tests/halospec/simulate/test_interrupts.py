"""Who hears Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from halospec.simulate.interrupts import children_born_deaf

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no signal masks here")


def test_children_do_not_and_go_on():
    with children_born_deaf():
        child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0.5,))
        child.start()
    os.kill(child.pid, signal.SIGINT)
    child.join(60)
    assert child.exitcode == 0


def test_the_parent_does_afterwards():
    done = []

    def interrupted_while_starting_children():
        with children_born_deaf():
            signal.raise_signal(signal.SIGINT)
            done.append("started")
        done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_starting_children()
    assert done == ["started"]
