"""What is measured in which order: all of it once a repetition, what is compared next to each other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine_peers.records import SystemName
from halospec.workloads.prompts import Prompt


@dataclass(frozen=True)
class Cell:
    """One system at one draft length with so many clients at once."""

    system: SystemName
    draft_length: int
    clients: int


@dataclass(frozen=True)
class Plan:
    """Everything that is to be measured.

    Within a repetition the pairs of draft length and clients come in random order, and for each of them the systems in
    random order: what a ratio is made of lies seconds apart, and nobody always comes first.
    """

    systems: Sequence[SystemName]
    draft_lengths: Sequence[int]
    clients: Sequence[int]
    repetitions: int
    seed: int

    def cells(self) -> Iterator[tuple[int, Cell]]:
        """Yield every cell with its repetition, counted from 0."""
        rng = random.Random(self.seed)
        for repetition in range(self.repetitions):
            pairs = [(k, n) for k in self.draft_lengths for n in self.clients]
            rng.shuffle(pairs)
            for k, n in pairs:
                for system in rng.sample(self.systems, len(self.systems)):
                    yield repetition, Cell(system, k, n)

    def prompts(self, repetition: int, clients: int, known: Sequence[Prompt]) -> list[Prompt]:
        """Return a repetition's prompts for so many clients: the same for all systems and draft lengths.

        One client and several never share a prompt within a repetition: a server that cannot be told to forget would
        find what it has just read.
        """
        before = repetition * sum(self.clients) + sum(self.clients[: self.clients.index(clients)])
        return [known[(before + i) % len(known)] for i in range(clients)]
