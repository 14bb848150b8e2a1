"""Canaries over several knobs, in shuffled blocks, until the evidence is as good as few canaries make it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from halospec.endpoints.server_kind import SpeculationFacts
from halospec.inference.sign_flips import pairs_needed
from halospec.knobs.types import Knob, KnobError, KnobKind
from halospec.probe.canaries import Canary, lengths_for
from halospec.probe.count_verdict import judge_counts
from halospec.probe.evidence import read_together
from halospec.probe.fields_together import FieldsTogether
from halospec.probe.order import order_of_blocks
from halospec.probe.paired_tests import paired_tests
from halospec.probe.sender import Sender
from halospec.probe.settings import ProbeSettings
from halospec.probe.time_verdict import LEVEL
from halospec.probe.verdict import KnobEvidence, judge, refused_lengths
from halospec.records.probe import Basis, Verdict

_TESTS_A_KNOB = 2
_BLOCKS_ABREAST = 2


@dataclass
class _Tried:
    """A knob while it is being tried."""

    knob: Knob
    lengths: tuple[int, ...]
    canaries: list[Canary] = field(default_factory=list)
    switch_ms: list[float] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    problem: str = ""

    def takes(self, draft_length: int) -> bool:
        """Tell whether another canary of this k would bring anything."""
        return not self.problem and draft_length not in refused_lengths(self.canaries)

    @property
    def ends(self) -> tuple[int, ...]:
        """The shortest and the longest k that the server takes."""
        taken = [k for k in self.lengths if self.takes(k)]
        return (taken[0], taken[-1]) if len(taken) > 1 else ()

    def evidence(self) -> KnobEvidence:
        return KnobEvidence(self.knob, tuple(self.canaries), tuple(self.switch_ms), self.problem)


class Campaign:
    """Tries knobs on one server.

    Knobs that set k per request are tried together, their canaries shuffled block by block; each of the others by
    itself, after them, since it changes the server for all. Request fields go together in one request first.

    Parameters
    ----------
    knobs
        How many there are in all: the more tests, the more pairs each of them needs.
    """

    def __init__(self, sender: Sender, speculation: SpeculationFacts, settings: ProbeSettings, knobs: int) -> None:
        self._sender = sender
        self._speculation = speculation
        self._settings = settings
        self._pairs = max(settings.pairs, pairs_needed(_TESTS_A_KNOB * knobs, LEVEL))
        self._chance = random.Random(settings.seed)  # noqa: S311  (an order of canaries, not a secret)

    async def try_all(self, knobs: Sequence[Knob]) -> dict[str, KnobEvidence]:
        """Return the evidence on every knob that sends a draft length, by its name.

        Raises
        ------
        ProbeError
            If the server stops answering.
        """
        found: dict[str, KnobEvidence] = {}
        sending = [knob for knob in knobs if knob.kind is not KnobKind.NONE]
        fields = [knob for knob in sending if knob.kind is KnobKind.REQUEST_FIELD]
        if len(fields) > 1:
            [together] = await self._try([FieldsTogether(fields)])
            if self._settles_each(together):
                found |= {knob.name: together for knob in fields}
        left = [knob for knob in sending if knob.name not in found]
        for group in ([knob for knob in left if knob.per_request], *([knob] for knob in left if not knob.per_request)):
            found |= {tried.knob.name: tried for tried in await self._try(group)}
        return found

    async def _try(self, knobs: Sequence[Knob]) -> list[KnobEvidence]:
        group = [_Tried(knob, lengths_for(knob, self._settings.lengths)) for knob in knobs]
        await self._blocks(group, 1, self._settings.blocks)
        await self._blocks(self._undecided(group), self._settings.blocks + 1, self._pairs, ends_only=True)
        return [tried.evidence() for tried in group]

    async def _blocks(self, group: Sequence[_Tried], first: int, last: int, *, ends_only: bool = False) -> None:
        cells = [(tried, k) for tried in group for k in (tried.ends if ends_only else tried.lengths)]
        # Each switch costs seconds and empties the server's cache: there, one block after the other.
        abreast = _BLOCKS_ABREAST if all(tried.knob.per_request for tried in group) else 1
        order = order_of_blocks(cells, range(first, last + 1), self._chance, abreast=abreast)
        self._sender.expect(len(order))
        for block, (tried, draft_length) in order:
            if tried.takes(draft_length):
                await self._send(tried, draft_length, block)
            else:
                self._sender.expect(-1)

    async def _send(self, tried: _Tried, draft_length: int, block: int) -> None:
        knob = tried.knob
        try:
            switch = await knob.switch_to(draft_length)
        except KnobError as problem:
            tried.problem = str(problem)
            self._sender.expect(-1)
            return
        if switch is not None and not knob.per_request:
            tried.switch_ms.append(switch.duration_ms)
        is_cold_alias = knob.kind is KnobKind.MODEL_ALIAS and draft_length not in tried.settled
        if switch is not None or is_cold_alias:
            await self._sender.settle(knob, draft_length)
            tried.settled.add(draft_length)
        tried.canaries.append(await self._sender.canary(knob, draft_length, block))

    def _undecided(self, group: Sequence[_Tried]) -> list[_Tried]:
        """Return the knobs that nobody counts for, and those whose counts scatter."""
        everything = read_together([canary for tried in group for canary in tried.canaries])
        undecided = []
        for tried in group:
            own = [canary for canary in everything if canary.cell.knob == tried.knob.name]
            found = judge_counts(own, self._speculation, self._settings.seed)
            if tried.ends and (found is None or found.more_may_tell):
                undecided.append(tried)
        return undecided

    def _settles_each(self, together: KnobEvidence) -> bool:
        """Tell whether what came of several fields in one request holds for each of them."""
        canaries = read_together(together.canaries)
        tests = paired_tests({together.knob.name: canaries}, self._settings.seed)[together.knob.name]
        found = judge(KnobEvidence(together.knob, tuple(canaries)), tests, self._speculation, self._settings.seed)
        if refused_lengths(canaries) or found.verdict is Verdict.OBEYED:
            return False
        return found.verdict is Verdict.IGNORED or found.basis is not Basis.COUNTS
