"""Which sequence sits where, and which slot a new one gets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from halospec_server.decoding.cached_texts import CachedTexts, common_prefix
from halospec_server.decoding.generation import Generation
from halospec_server.decoding.sequence import Sequence

WORTH_WAITING_FOR = 16
"""Tokens that a prompt must have in common with one being read, beyond what is cached, for it to wait and share."""


class NoFreeSlot(RuntimeError):
    """Every slot has a running sequence."""


@dataclass(frozen=True)
class SlotState:
    """What a slot holds.

    Attributes
    ----------
    target_tokens, draft_tokens
        Tokens that the engine's own books say are in the caches.
    target_cells, draft_cells
        Positions that llama.cpp says are in them.
    """

    slot: int
    running: bool
    target_tokens: int
    target_cells: int
    draft_tokens: int
    draft_cells: int


class Slots:
    """The places of a context: running sequences in the order they came, and texts that were left behind."""

    def __init__(self, texts: CachedTexts) -> None:
        self.running: list[Sequence] = []
        self._texts = texts
        self._clock = itertools.count(1)
        self._last_used = [0] * texts.context.n_slots

    def choose(self, generation: Generation) -> int:
        """Return the free slot whose text the prompt continues or repeats, or else the one that was idle the longest.

        A text that only begins like the prompt is not given up for it: its beginning can be shared. Of a text that is
        continued an eighth may be lost, since a reply that comes back in a prompt need not be split into the same
        tokens.
        """
        taken = {sequence.slot for sequence in self.running}
        free = [slot for slot in range(len(self._last_used)) if slot not in taken]
        if generation.cache_prompt:
            best = max(free, key=lambda s: (self._texts.common(s, generation.prompt), -self._texts.length(s)))
            common = self._texts.common(best, generation.prompt)
            lost = self._texts.length(best) - common
            if common == len(generation.prompt) or 0 < common >= 8 * lost:
                return best
        return min(free, key=lambda slot: self._last_used[slot])

    def occupy(self, sequence: Sequence) -> None:
        """Put a sequence into its slot, behind a leader if one is reading the same beginning just now."""
        if sequence.generation.cache_prompt:
            sequence.leader = self._leader_for(sequence)
        self.running.append(sequence)

    def vacate(self, sequence: Sequence) -> None:
        """Take a sequence out; its text stays in the cache."""
        sequence.released = True
        self.running.remove(sequence)
        self._last_used[sequence.slot] = next(self._clock)

    def states(self, draft: CachedTexts | None) -> list[SlotState]:
        """Describe every slot."""
        taken = {sequence.slot for sequence in self.running}
        return [
            SlotState(
                slot=slot,
                running=slot in taken,
                target_tokens=self._texts.length(slot),
                target_cells=self._texts.context.cells(slot),
                draft_tokens=draft.length(slot) if draft else 0,
                draft_cells=draft.context.cells(slot) if draft else 0,
            )
            for slot in range(len(self._last_used))
        ]

    def _leader_for(self, sequence: Sequence) -> Sequence | None:
        """Return the running sequence that will soon hold more of the prompt than any slot holds now."""
        prompt = sequence.generation.prompt
        # A sequence that has not started yet will first clear its slot.
        going = {other.slot for other in self.running if not other.started}
        lasting = (slot for slot in range(len(self._last_used)) if slot not in going)
        held = max((self._texts.common(slot, prompt) for slot in lasting), default=0)
        reading = [other for other in self.running if other.in_prompt and other.generation.cache_prompt]
        leader = max(reading, key=lambda other: common_prefix(other.generation.prompt, prompt), default=None)
        if leader is None or common_prefix(leader.generation.prompt, prompt) < held + WORTH_WAITING_FOR:
            return None
        return leader
