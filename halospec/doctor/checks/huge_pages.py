"""Transparent huge pages."""

from __future__ import annotations

import re

from halospec.doctor.judgement import Judgement, Unseen
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_MEANINGS = {
    "always": "always: the kernel may join pages behind a server's back",
    "madvise": "madvise: only where a program asks for them",
    "never": "never",
}


def huge_pages(machine: Machine) -> Judgement:
    """Note when the kernel uses huge pages for ordinary memory."""
    text = machine.files.text_if_there("sys/kernel/mm/transparent_hugepage/enabled")
    if text is None:
        raise Unseen("the kernel has no transparent huge pages")
    chosen = re.search(r"\[(\w+)\]", text)
    if chosen is None:
        raise ValueError(f"no choice of huge pages can be read from {text!r}")
    return Judgement(State.NOTE, _MEANINGS.get(chosen[1], chosen[1]))
