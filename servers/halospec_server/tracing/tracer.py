"""Lets the target write, then gives the draft model the same text and notes what it would have said at each place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import Draft
from halospec_server.llama import Logits, Piece
from halospec_server.tracing.opinions import Opinion, Untraceable, opinion
from halospec_server.verifiers.greedy import GreedyVerifier
from halospec_server.verifiers.protocol import Verdict, Verifier


@dataclass(eq=False)
class Witness:
    """Judges as the greedy verifier does, and keeps the rows that it judged by: an engine's ``make_verifier``."""

    rows: list[Logits] = field(default_factory=list)

    def __call__(self, sampling: Sampling, rng: np.random.Generator) -> Verifier:  # noqa: ARG002  # all texts are greedy
        """Return the verifier of a new text, of which nothing is known yet."""
        self.rows.clear()
        return self

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        """Judge a draft; see `Verifier`."""
        self.rows.extend(row.copy() for row in rows)
        return GreedyVerifier().verify(draft, rows)


@dataclass(frozen=True)
class Trace:
    """One text of the target's.

    Attributes
    ----------
    opinions
        One for each token: the draft's view of the token's place, given all text before it.
    wide_differences
        Places at which a wide pass of the target has another likeliest token than the text; None where nobody looked.
    """

    tokens: tuple[int, ...]
    opinions: tuple[Opinion, ...]
    wide_differences: int | None


class Tracer:
    """Traces texts, one at a time, with an engine of one slot.

    Parameters
    ----------
    engine
        With a draft model, and made with ``witness``.
    check_width
        Positions in a pass of the check whether wide passes choose other tokens; 0 leaves it out.

    Raises
    ------
    Untraceable
        If the engine has no draft model, or more than one slot.
    """

    def __init__(self, engine: Engine, witness: Witness, check_width: int) -> None:
        drafter = engine.drafters.get(ModelDrafter.name)
        if not isinstance(drafter, ModelDrafter):
            raise Untraceable("there is no draft model to trace; give one with --draft")
        if engine.parallel != 1:
            raise Untraceable(f"texts are traced one at a time, not {engine.parallel}")
        self._engine = engine
        self._witness = witness
        self._drafter = drafter
        self._check_width = check_width

    def trace(self, generation: Generation) -> Trace:
        """Have a text written without speculation, and the draft model's view of it.

        Raises
        ------
        Untraceable
            If the draft model does not have a token of the text, or a model gives no finite logits.
        """
        tokens = tuple(token for step in self._engine.generate(generation) for token in step.tokens)
        self._require_known((*generation.prompt, *tokens))
        draft_rows = self._draft_rows(generation.prompt, tokens)
        opinions = tuple(opinion(*rows) for rows in zip(self._witness.rows, draft_rows, strict=True))
        differences = self._wide_differences(generation.prompt, tokens) if self._check_width else None
        return Trace(tokens, opinions, differences)

    def _require_known(self, text: Sequence[int]) -> None:
        known = self._drafter.model.n_vocab
        if (highest := max(text)) >= known:
            raise Untraceable(f"the text holds token {highest}, and the draft model has only {known}: it cannot follow")

    def _draft_rows(self, prompt: Sequence[int], tokens: Sequence[int]) -> Iterator[Logits]:
        """Yield the draft model's row for the place of each token; a view, valid until the next."""
        texts = self._drafter.texts
        self._drafter.reset()
        width = texts.context.n_batch
        before, last = prompt[:-1], prompt[-1]
        for start in range(0, len(before), width):
            texts.decode([Piece(_SLOT, before[start : start + width], 0)])
        for token in (last, *tokens[:-1]):
            yield texts.decode([Piece(_SLOT, (token,), 1)])[0]

    def _wide_differences(self, prompt: Sequence[int], tokens: Sequence[int]) -> int:
        """Have the target read its text again, several tokens a pass, and count where it would go on otherwise."""
        texts, width = self._engine.texts, self._check_width
        texts.truncate(_SLOT, len(prompt) - 1)
        read = (prompt[-1], *tokens[:-1])
        differences = 0
        for start in range(0, len(read), width):
            piece = read[start : start + width]
            rows = texts.decode([Piece(_SLOT, piece, len(piece))])
            differences += int(np.count_nonzero(rows.argmax(axis=1) != tokens[start : start + width]))
        return differences


_SLOT = 0
