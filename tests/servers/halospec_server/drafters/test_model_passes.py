"""A draft model runs as many passes as the longest draft has places, for all slots together, and hardly any more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from draft_requests import N_BATCH, N_CTX, PROMPTS, Watched, propose, read, request
from halospec_server.drafters import model as drafting
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import Draft, Followed
from tiny_models import FIRST_PIECE


class TestPasses:
    def test_there_is_one_for_each_place_for_all_slots_together(
        self, model_drafter: ModelDrafter, watched: Watched
    ) -> None:
        texts = read(model_drafter, *PROMPTS)
        watched.widths.clear()
        propose(model_drafter, *(request(slot, [*texts[slot], FIRST_PIECE], k) for slot, k in ((0, 1), (1, 4), (2, 2))))
        assert watched.widths == [3, 2, 1, 1]

    @pytest.mark.parametrize(("accepted", "first"), [(0, 1), (1, 1), (3, 1), (4, 2)])
    def test_what_was_kept_of_the_last_draft_is_not_decoded_again(
        self, model_drafter: ModelDrafter, watched: Watched, accepted: int, first: int
    ) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        (proposed,) = propose(model_drafter, request(0, text, 4))
        watched.widths.clear()
        # The token after the kept ones must differ from what was proposed there, or it would be kept too.
        token = next(
            token for token in (FIRST_PIECE, FIRST_PIECE + 1) if token not in proposed[accepted : accepted + 1]
        )
        propose(model_drafter, request(0, [*text, *proposed[:accepted], token], 4))
        assert watched.widths == [first, 1, 1, 1]

    def test_text_written_without_drafts_is_caught_up_with_first(
        self, model_drafter: ModelDrafter, watched: Watched
    ) -> None:
        texts = read(model_drafter, *PROMPTS)
        watched.widths.clear()
        grown = [[*texts[0], *[FIRST_PIECE] * 60], [*texts[1], *[FIRST_PIECE] * 10], [*texts[2], FIRST_PIECE]]
        propose(model_drafter, *(request(slot, text, 3) for slot, text in enumerate(grown)))
        assert watched.widths == [N_BATCH, N_BATCH, 58 + 8 - 2 * N_BATCH, 2 + 2 + 1, 3, 3]

    def test_catching_up_is_told_apart_from_drafting(
        self, model_drafter: ModelDrafter, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A clock that goes forward by one nanosecond a pass.
        clock = SimpleNamespace(perf_counter_ns=lambda: len(watched.widths))
        monkeypatch.setattr(drafting, "time", clock)
        (text,) = read(model_drafter, PROMPTS[0])
        for missed, passes in ((1, 0), (2, 0), (3, 1), (2 + N_BATCH, 1), (3 + N_BATCH, 2)):
            text += [FIRST_PIECE] * missed
            (draft,) = model_drafter.propose([request(0, text, 1)], [Followed(1, PROMPTS[1], missed)])
            assert draft.catch_up_ns == passes

    def test_prompts_are_followed_beside_the_first_place(self, model_drafter: ModelDrafter, watched: Watched) -> None:
        texts = read(model_drafter, PROMPTS[0])
        prompt = [*PROMPTS[2], *PROMPTS[1]]
        model_drafter.begin(2, prompt, reuse=True)
        watched.widths.clear()
        model_drafter.propose([request(0, [*texts[0], FIRST_PIECE], 3)], [Followed(2, prompt, 5)])
        assert watched.widths == [1 + 5 - 1, 1, 1], "the token that every text begins with was in the cache"
        assert model_drafter.texts.text(2) == prompt[:5]

    def test_a_prompt_that_does_not_fit_there_has_passes_of_its_own(
        self, model_drafter: ModelDrafter, watched: Watched
    ) -> None:
        texts = read(model_drafter, PROMPTS[0])
        prompt = [FIRST_PIECE + i % 24 for i in range(100)]
        model_drafter.begin(2, prompt, reuse=True)
        watched.widths.clear()
        model_drafter.propose([request(0, [*texts[0], FIRST_PIECE], 3)], [Followed(2, prompt, 60)])
        assert sorted(watched.widths) == sorted([N_BATCH, N_BATCH, 60 - 2 * N_BATCH, 1, 1, 1])
        assert model_drafter.texts.text(2) == prompt[:60]

    def test_prompts_are_followed_without_any_draft(self, model_drafter: ModelDrafter, watched: Watched) -> None:
        for slot in (0, 1):
            model_drafter.begin(slot, PROMPTS[slot], reuse=False)
        assert model_drafter.propose([], [Followed(0, PROMPTS[0], 4), Followed(1, PROMPTS[1], 1)]) == []
        assert watched.widths == [5]

    def test_nothing_to_do_takes_none(self, model_drafter: ModelDrafter, watched: Watched) -> None:
        read(model_drafter, PROMPTS[0])
        watched.widths.clear()
        assert model_drafter.propose([], []) == []
        assert model_drafter.propose([], [Followed(0, PROMPTS[0], 2)]) == []
        assert watched.widths == []


class TestEarlierTexts:
    @pytest.mark.parametrize("slot", [0, 1])
    def test_what_they_have_in_common_with_a_prompt_is_not_decoded_again(
        self, model_drafter: ModelDrafter, watched: Watched, slot: int
    ) -> None:
        (text,) = read(model_drafter, PROMPTS[2])
        model_drafter.end(0, text)
        watched.widths.clear()
        prompt = [*text[:4], *PROMPTS[1]]
        model_drafter.begin(slot, prompt, reuse=True)
        model_drafter.propose([], [Followed(slot, prompt, len(prompt))])
        assert watched.widths == [len(PROMPTS[1])]
        assert model_drafter.texts.text(slot) == prompt

    def test_serve_no_prompt_that_must_not_use_them(self, model_drafter: ModelDrafter, watched: Watched) -> None:
        (text,) = read(model_drafter, PROMPTS[2])
        watched.widths.clear()
        model_drafter.begin(0, text, reuse=False)
        model_drafter.propose([], [Followed(0, text, len(text))])
        assert watched.widths == [len(text)]

    def test_are_forgotten_by_a_reset(self, model_drafter: ModelDrafter, watched: Watched) -> None:
        (text,) = read(model_drafter, PROMPTS[2])
        model_drafter.reset()
        watched.widths.clear()
        read(model_drafter, text)
        assert watched.widths == [len(text)]


class TestThreads:
    def test_are_the_fewest_that_anyone_asks_for_and_the_contexts_own_where_nobody_does(
        self, model_drafter: ModelDrafter
    ) -> None:
        texts = read(model_drafter, *PROMPTS)
        for wishes, expected in (((None, 3, 2), 2), ((None, None, 3), 3), ((None, None, None), 1)):
            drafts = model_drafter.propose(
                [request(slot, texts[slot], 2, threads=wishes[slot]) for slot in (0, 1)],
                [Followed(2, PROMPTS[2], 1, threads=wishes[2])],
            )
            assert [draft.threads for draft in drafts] == [expected, expected]

    def test_are_none_where_no_pass_was_run(self, model_drafter: ModelDrafter) -> None:
        (draft,) = model_drafter.propose([request(0, [FIRST_PIECE] * (N_CTX + 1), 4)], [])
        assert draft == Draft((), None, draft.catch_up_ns, threads=0)
