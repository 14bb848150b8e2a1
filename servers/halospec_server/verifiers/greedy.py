"""Temperature 0: a drafted token is kept while it is the target's own most likely one."""

from __future__ import annotations

from halospec_server.drafters.protocol import Draft
from halospec_server.llama import Logits
from halospec_server.verifiers.protocol import Verdict


class GreedyVerifier:
    """Keeps the longest prefix of the draft that plain greedy decoding would have written."""

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        """Judge a draft; the token after the kept prefix is the target's choice."""
        for i, proposed in enumerate(draft.tokens):
            chosen = int(rows[i].argmax())
            if chosen != proposed:
                return Verdict(accepted=i, token=chosen)
        return Verdict(accepted=len(draft.tokens), token=int(rows[len(draft.tokens)].argmax()))
