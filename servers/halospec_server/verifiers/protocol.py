"""What a verifier is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from halospec_server.drafters.protocol import Draft
from halospec_server.llama import Logits


@dataclass(frozen=True)
class Verdict:
    """``accepted`` drafted tokens are kept, and ``token`` follows them."""

    accepted: int
    token: int


class Verifier(Protocol):
    """Judges drafts by the target's logits."""

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        """Judge a draft of k tokens by rows of shape (k + 1, n_vocab).

        Row i is the target's view of what follows the text and the first i drafted tokens. With an empty draft this
        just chooses the next token.
        """
        ...
