"""What the next step holds: a round of every sequence that is being written, and a chunk of the prompts being read."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from dataclasses import dataclass

from halospec.controllers.decision import Setting
from halospec_server.decoding.cached_texts import CachedTexts
from halospec_server.decoding.sequence import Sequence
from halospec_server.drafters.protocol import Draft, Drafter, DraftRequest, Followed
from halospec_server.llama import Piece


@dataclass(frozen=True)
class Part:
    """One sequence's part in a step: a draft to verify, or a chunk of its prompt.

    Attributes
    ----------
    setting
        The draft length in force, and threads for it.
    k
        How many drafted tokens there is a use for.
    chunk, chunk_end
        The next tokens of the prompt, and how much of it is read with them; empty when it has been read.
    """

    sequence: Sequence
    setting: Setting
    k: int = 0
    chunk: Ordered[int] = ()
    chunk_end: int = 0

    def piece(self, draft: Draft) -> Piece:
        """Return what goes into the target's pass: logits are wanted wherever a token is to be chosen."""
        sequence = self.sequence
        if self.chunk:
            return Piece(sequence.slot, self.chunk, rows=int(self.chunk_end == sequence.prompt_length))
        tokens = (sequence.tokens[-1], *draft.tokens)
        return Piece(sequence.slot, tokens, rows=len(tokens))


class Planner:
    """Shares each pass out among the sequences.

    Parameters
    ----------
    texts
        The target's cache.
    prefill_chunk
        Tokens of prompts in a step at most while other sequences wait for their next round.
    """

    def __init__(self, texts: CachedTexts, prefill_chunk: int) -> None:
        self._texts = texts
        self._prefill_chunk = prefill_chunk

    def plan(self, running: Ordered[Sequence]) -> list[Part]:
        """Give every sequence its next round, then prompts, first come first served, what room there is."""
        sequences = sum(not sequence.waits_for_leader for sequence in running)
        parts = [self._round(sequence, sequences) for sequence in running if not sequence.in_prompt]
        room = self._texts.context.n_batch - sum(part.k + 1 for part in parts)
        if parts:
            room = min(room, self._prefill_chunk)
        for sequence in running:
            if room == 0:
                break
            if sequence.in_prompt and not sequence.waits_for_leader:
                parts.append(self._chunk(sequence, room))
                room -= len(parts[-1].chunk)
        return parts

    def most_missed(self, parts: Ordered[Part]) -> int:
        """Return how much missed text a drafter may take in: a whole pass's worth if nobody else waits meanwhile."""
        return self._texts.context.n_batch if len(parts) == 1 else self._prefill_chunk

    def _round(self, sequence: Sequence, sequences: int) -> Part:
        setting = sequence.next_setting(sequences)
        return Part(sequence, setting, sequence.room_for_draft(setting.draft_length))

    def _chunk(self, sequence: Sequence, room: int) -> Part:
        if not sequence.started:
            self._start(sequence)
        held = self._texts.length(sequence.slot)
        chunk = sequence.tokens[held : held + room]
        return Part(sequence, sequence.reading_setting(), chunk=chunk, chunk_end=held + len(chunk))

    def _start(self, sequence: Sequence) -> None:
        """Take over what the cache holds of a prompt; its last token is decoded anew, for the logits after it."""
        reuse = sequence.generation.cache_prompt
        if reuse:
            sequence.cached = self._texts.reuse(sequence.slot, sequence.tokens[:-1])
        else:
            self._texts.truncate(sequence.slot, 0)
        if sequence.drafter is not None:
            sequence.drafter.begin(sequence.slot, sequence.tokens, reuse=reuse)
        sequence.started = True
        sequence.leader = None


def draft_all(parts: Ordered[Part], drafters: Iterable[Drafter], most_missed: int) -> list[Draft]:
    """Return a draft for each part; all that one drafter is asked for, it is asked at once.

    ``most_missed`` is how many tokens of text that it had missed a drafter may take in meanwhile.
    """
    drafts = [Draft(())] * len(parts)
    for drafter in drafters:
        places: list[int] = []
        requests: list[DraftRequest] = []
        following: list[Followed] = []
        for place, part in enumerate(parts):
            if part.sequence.drafter is not drafter:
                continue
            if part.chunk:
                following.append(part.sequence.followed(part.chunk_end, part.setting.draft_threads))
            elif part.k > 0:
                places.append(place)
                requests.append(part.sequence.draft_request(part.k, part.setting.draft_threads))
        if requests or following:
            for place, draft in zip(places, drafter.propose(requests, following, most_missed), strict=True):
                drafts[place] = draft
    return drafts
