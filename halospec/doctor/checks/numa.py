"""Memory that is nearer to some cores than to others."""

from __future__ import annotations

from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State


def numa(machine: Machine) -> Judgement:
    """Judge whether a model's memory may lie on another node than the threads that read it."""
    nodes = machine.files.matching("sys/devices/system/node/node[0-9]*")
    if not nodes:
        raise Unseen("the system shows no memory nodes")
    if len(nodes) == 1:
        return good("one memory node")
    return Judgement(
        State.WARNING,
        f"{len(nodes)} memory nodes: speed depends on which of them the model came to lie",
        "keep the server on one: numactl --cpunodebind=0 --membind=0 llama-server …",
    )
