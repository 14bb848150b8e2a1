"""The rule by which recordings and controllers tell what a draft model has missed, held against the draft model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from halospec.controllers.missed import AT_THE_START, missed_after
from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import Draft, DraftRequest, Followed
from halospec_server.llama import Logits, Piece
from tiny_engines import GREEDY, prompt_of, rounds_of


class TakenIn:
    """Counts, for each draft of one request, the tokens that the draft model took in before its first proposal."""

    def __init__(self, drafter: ModelDrafter, patch: pytest.MonkeyPatch) -> None:
        self.counts: list[int] = []
        self._propose, self._decode = drafter.propose, drafter.texts.decode
        self._counting = False
        patch.setattr(drafter, "propose", self.propose)
        patch.setattr(drafter.texts, "decode", self.decode)

    def propose(
        self, requests: Sequence[DraftRequest], following: Sequence[Followed], most_missed: int = 10_000
    ) -> list[Draft]:
        self._counting = bool(requests)
        if requests:
            self.counts.append(0)
        return self._propose(requests, following, most_missed)

    def decode(self, pieces: Sequence[Piece]) -> Logits:
        if self._counting:
            self.counts[-1] += sum(len(piece.tokens) for piece in pieces)
            # The first pass that gives a row is the one that proposes.
            self._counting = not any(piece.rows for piece in pieces)
        return self._decode(pieces)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("longest", [1, 3, 8])
def test_missed_text_follows_from_k_and_accepted(
    model_engine: Engine, monkeypatch: pytest.MonkeyPatch, longest: int, seed: int
) -> None:
    drafter = model_engine.drafters["model"]
    assert isinstance(drafter, ModelDrafter)
    taken_in = TakenIn(drafter, monkeypatch)
    policy = f"uniform@max_length={longest}@seed={seed}"
    wanted = Generation(prompt_of("so sa"), 60, GREEDY, None, policy, ignore_eos=True, cache_prompt=False)
    rounds = rounds_of(list(model_engine.generate(wanted)))

    missed, predicted = AT_THE_START, []
    for done in rounds:
        if done.k > 0:
            predicted.append(missed)
        missed = missed_after(missed, done.k, done.accepted)
    assert taken_in.counts == predicted
    assert {1, 2, 3} <= set(predicted)


def test_after_a_stop_only_the_newest_token_is_missing(model_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    drafter = model_engine.drafters["model"]
    assert isinstance(drafter, ModelDrafter)
    taken_in = TakenIn(drafter, monkeypatch)
    wanted = Generation(prompt_of("so sa"), 60, GREEDY, 4, ignore_eos=True, cache_prompt=False)
    rounds = rounds_of(list(model_engine.generate(replace(wanted, p_min=0.4))))

    asked = [done for done in rounds if done.draft_threads > 0]
    stopped = [done.k < done.limit for done in asked]
    missed, predicted = AT_THE_START, []
    for done, ended_early in zip(asked, stopped, strict=True):
        predicted.append(missed)
        missed = missed_after(missed, done.k, done.accepted, stopped=ended_early)
    # At the end of the text it is the room that shortens a draft, no stop.
    assert taken_in.counts[:-2] == predicted[:-2]
    assert any(stopped[:-3])
    assert any(done.k == done.accepted > 0 and early for done, early in zip(asked[:-3], stopped, strict=False))
