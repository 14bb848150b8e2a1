from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from halospec.recordings.types import RecordedRounds, Recording, TracedText


@pytest.fixture
def make_recording() -> Callable[..., Recording]:
    """Make a recording of drawn numbers: so many texts, and a visit of so many rounds under each condition."""

    def make(
        texts: int = 2, tokens: int = 5, conditions: tuple[str, ...] = ("quiet", "cpu:1"), rounds: int = 4
    ) -> Recording:
        rng = np.random.default_rng(3)

        def numbers(n: int, scale: float = 1.0) -> np.ndarray:
            return (rng.random(n) * scale).astype(np.float32)

        traced = tuple(
            TracedText(
                prompt_id=f"code-{number}",
                tokens=rng.integers(0, 49_152, tokens).astype(np.int32),
                match=rng.random(tokens) < 0.8,
                top_probability=numbers(tokens),
                entropy=numbers(tokens, 5.0),
                overlap=numbers(tokens),
            )
            for number in range(texts)
        )
        n = len(conditions) * rounds
        k = rng.integers(0, 9, n).astype(np.int16)
        return Recording(
            pair="twin",
            texts=traced,
            rounds=RecordedRounds(
                conditions=conditions,
                condition=np.repeat(np.arange(len(conditions)), rounds).astype(np.int16),
                visit=np.repeat(np.arange(len(conditions)) + 1, rounds).astype(np.int32),
                threads=np.full(n, 2, np.int16),
                draft_threads=np.ones(n, np.int16),
                k=k,
                missed=np.where(k > 0, 1, 0).astype(np.int16),
                draft_us=numbers(n, 1e5),
                catch_up_us=numbers(n, 1e2),
                verify_us=numbers(n, 1e5),
            ),
            threads=2,
            draft_threads=1,
            about={"machine.cpu": "a CPU"},
        )

    return make
