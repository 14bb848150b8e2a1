"""What a draft model proposes: by the text, the request's own rules and its own probabilities."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from draft_requests import N_CTX, PROMPTS, ROUNDING, Watched, open_watched, propose, read, request, rows_after
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.model import ModelDrafter, place_of
from halospec_server.drafters.protocol import Drafter
from halospec_server.llama import Context
from scripted_rules import WatchingStop
from tiny_engines import GREEDY, Pair
from tiny_models import EOS, FIRST_PIECE, N_VOCAB

syllables = st.integers(FIRST_PIECE, N_VOCAB - 1)


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(0.8)], ids=["greedy", "sampled"])
def test_drafting_for_several_at_once_proposes_what_drafting_for_each_alone_does(
    model_drafter: ModelDrafter, sampling: Sampling
) -> None:
    read(model_drafter, *PROMPTS)
    requests = [(slot, prompt, 4 + slot, sampling) for slot, prompt in enumerate(PROMPTS)]
    together = propose(model_drafter, *(request(*asked, seed=asked[0]) for asked in requests))
    assert [len(proposed) for proposed in together] == [4, 5, 6]
    for asked, expected in zip(requests, together, strict=True):
        model_drafter.reset()
        model_drafter.begin(asked[0], asked[1], reuse=False)
        assert propose(model_drafter, request(*asked, seed=asked[0])) == [expected]


def test_it_is_a_drafter(model_drafter: ModelDrafter) -> None:
    one: Drafter = model_drafter
    assert one.name == "model"


class TestWhatIsProposed:
    def test_says_what_it_was_drawn_from_unless_it_is_greedy(self, model_drafter: ModelDrafter) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        (greedy,) = model_drafter.propose([request(0, text, 3)], [])
        assert greedy.distributions is None
        (sampled,) = model_drafter.propose([request(0, text, 3, Sampling(0.7, 0.8))], [])
        assert sampled.distributions is not None
        assert len(sampled.distributions) == 3
        for token, q in zip(sampled.tokens, sampled.distributions, strict=True):
            assert q[token] > 0
            assert q.sum() == pytest.approx(1.0)
            assert np.count_nonzero(q) < N_VOCAB / 2, "the nucleus holds for the draft as for the target"

    def test_has_no_banned_token(self, model_drafter: ModelDrafter) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        ((favourite,),) = propose(model_drafter, request(0, text, 1))
        greedy, sampled = (
            model_drafter.propose([request(0, text, 8, sampling, banned=(favourite, EOS))], [])[0]
            for sampling in (GREEDY, Sampling(1.0))
        )
        assert favourite not in greedy.tokens
        assert sampled.distributions is not None
        assert all(q[favourite] == 0 for q in sampled.distributions)

    def test_obeys_each_requests_own_biases_and_penalties(self, model_drafter: ModelDrafter) -> None:
        texts = read(model_drafter, *PROMPTS)
        wished = FIRST_PIECE + 5
        plain, biased, penalised = propose(
            model_drafter,
            request(0, texts[0], 8),
            request(1, texts[1], 8, Sampling(0.0, logit_bias=((wished, 100.0),))),
            request(2, texts[2], 8, Sampling(0.0, frequency_penalty=50.0)),
        )
        assert biased == (wished,) * 8
        assert len(set(penalised)) == 8, "the draft's own tokens are penalised as though they were written"
        assert len(set(plain)) < 8

    def test_is_in_the_targets_vocabulary(self, watched: Watched) -> None:
        watched.reset()
        narrow = ModelDrafter(watched, N_VOCAB - 5)
        (text,) = read(narrow, PROMPTS[0])
        (draft,) = narrow.propose([request(0, text, 12, Sampling(2.0), banned=(EOS, N_VOCAB - 1))], [])
        assert draft.distributions is not None
        assert {len(q) for q in draft.distributions} == {N_VOCAB - 5}
        assert max(draft.tokens) < N_VOCAB - 5

    @pytest.mark.parametrize(("free", "expected"), [(-1, 0), (0, 1), (1, 2), (5, 6), (20, 8)])
    def test_is_as_much_as_there_is_room_to_decode(self, model_drafter: ModelDrafter, free: int, expected: int) -> None:
        long = [FIRST_PIECE] * (N_CTX - free)
        (short,) = read(model_drafter, PROMPTS[0])
        # The last proposal needs no room: it is not decoded.
        proposed = propose(model_drafter, request(1, long, 8), request(0, short, 8))
        assert [len(tokens) for tokens in proposed] == [expected, 8]


class TestPMin:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        text=st.lists(syllables, min_size=1, max_size=12),
        p_min=st.floats(0.05, 1.0),
        banned=st.sampled_from([(), (EOS,), tuple(range(FIRST_PIECE, FIRST_PIECE + 9))]),
    )
    def test_ends_a_draft_before_the_first_place_without_so_likely_a_candidate(
        self, used_drafter: ModelDrafter, draft_alone: Context, text: list[int], p_min: float, banned: tuple[int, ...]
    ) -> None:
        used_drafter.reset()
        (whole,) = propose(used_drafter, request(0, text, 8, banned=banned))
        rows = rows_after(draft_alone, text, whole)
        rows[:, list(banned)] = -np.inf
        second, likeliest = np.sort(softmax(rows.astype(np.float64), axis=1), axis=1)[:, -2:].T
        assume((abs(likeliest - p_min) > ROUNDING).all() and (likeliest - second > ROUNDING).all())
        places = int(np.argmax(likeliest < p_min)) if (likeliest < p_min).any() else 8
        assert propose(used_drafter, request(0, text, 8, banned=banned, p_min=p_min)) == [whole[:places]]

    def test_asks_what_could_be_drawn_not_what_was(self, model_drafter: ModelDrafter, draft_alone: Context) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        likeliest = softmax(rows_after(draft_alone, text, [FIRST_PIECE])[0]).max()
        drawn = []
        for p_min, length in ((likeliest - 0.01, 1), (likeliest + 0.01, 0)):
            for seed in range(30):
                (draft,) = model_drafter.propose([request(0, text, 1, Sampling(1.0), p_min=p_min, seed=seed)], [])
                assert draft.distributions is not None
                assert len(draft.tokens) == len(draft.distributions) == length
                drawn += [q[token] for token, q in zip(draft.tokens, draft.distributions, strict=True)]
        assert min(drawn) < likeliest - 0.01, "an unlikely token is proposed as often as it is drawn"

    def test_of_one_request_does_not_end_anothers_draft(self, model_drafter: ModelDrafter) -> None:
        texts = read(model_drafter, *PROMPTS)
        whole = propose(model_drafter, *(request(slot, text, 5) for slot, text in enumerate(texts)))
        some = propose(
            model_drafter, request(0, texts[0], 5), request(1, texts[1], 5, p_min=1.0), request(2, texts[2], 5)
        )
        assert some == [whole[0], (), whole[2]]


class TestAStop:
    def test_is_told_of_each_draft_and_shown_its_places_as_they_are_at_temperature_1(
        self, model_drafter: ModelDrafter, draft_alone: Context
    ) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        stop = WatchingStop(lambda place: False)
        for sampling in (GREEDY, Sampling(0.3, top_k=3)):
            banned = (EOS, FIRST_PIECE)
            (proposed,) = propose(model_drafter, request(0, text, 4, sampling, banned=banned, stop=stop))
            rows = rows_after(draft_alone, text, proposed).astype(np.float64)
            rows[:, list(banned)] = -np.inf
            p = softmax(rows, axis=1)
            assert [place.top_probability for place in stop.drafts[-1]] == pytest.approx(p.max(axis=1), rel=1e-3)
            assert [place.entropy for place in stop.drafts[-1]] == pytest.approx(entropy(p, axis=1), rel=1e-3)
        assert [len(places) for places in stop.drafts] == [4, 4]

    @pytest.mark.parametrize("sampling", [GREEDY, Sampling(0.8)], ids=["greedy", "sampled"])
    def test_ends_a_draft_before_the_place_it_says(self, model_drafter: ModelDrafter, sampling: Sampling) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        (whole,) = propose(model_drafter, request(0, text, 6, sampling))
        for length in range(7):
            stop = WatchingStop(lambda place: len(stop.drafts[-1]) > length)  # noqa: B023
            (draft,) = model_drafter.propose([request(0, text, 6, sampling, stop=stop)], [])
            assert draft.tokens == whole[:length]
            assert draft.distributions is None or len(draft.distributions) == length

    def test_and_p_min_end_a_draft_together_whichever_is_first(self, model_drafter: ModelDrafter) -> None:
        (text,) = read(model_drafter, PROMPTS[0])
        watching = WatchingStop(lambda place: False)
        propose(model_drafter, request(0, text, 8, stop=watching))
        tops = [place.top_probability for place in watching.drafts[0]]
        p_min = sorted(tops)[3]
        by_p_min = next(i for i, top in enumerate(tops) if top < p_min)
        for after in range(8):
            stop = WatchingStop(lambda place: len(stop.drafts[-1]) > after)  # noqa: B023
            (both,) = propose(model_drafter, request(0, text, 8, p_min=p_min, stop=stop))
            assert len(both) == min(after, by_p_min)

    def test_of_one_request_sees_nothing_of_anothers_draft(self, model_drafter: ModelDrafter) -> None:
        texts = read(model_drafter, *PROMPTS)
        stops = [WatchingStop(lambda place: False), WatchingStop(lambda place: True), None]
        drafts = propose(model_drafter, *(request(i, texts[i], 5, stop=stop) for i, stop in enumerate(stops)))
        assert [len(tokens) for tokens in drafts] == [5, 0, 5]
        assert [[len(places) for places in stop.drafts] for stop in stops if stop] == [[5], [1]]

    @given(
        row=st.lists(st.one_of(st.floats(-1e4, 1e4, width=32), st.just(-np.inf)), min_size=1, max_size=40).filter(
            lambda row: max(row) > -np.inf
        )
    )
    def test_is_shown_sound_numbers_whatever_the_logits(self, row: list[float]) -> None:
        place = place_of(np.array(row, dtype=np.float32))
        p = softmax(np.array(row, dtype=np.float64))
        assert place is not None
        assert place.top_probability == pytest.approx(p.max(), rel=1e-3)
        assert place.entropy == pytest.approx(entropy(p), abs=1e-3)
        assert place.entropy >= 0

    @pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.nan, 1.0], [np.inf, 1.0]])
    def test_is_not_asked_about_a_place_where_no_token_can_be_drawn(self, row: list[float]) -> None:
        assert place_of(np.array(row, dtype=np.float32)) is None


def test_a_token_that_only_the_target_knows_ends_the_drafting_of_that_text_alone(tiny_pair: Pair) -> None:
    with closing(ModelDrafter(open_watched(tiny_pair[1]), N_VOCAB + 50)) as drafter:
        foreign, plain = read(drafter, [*PROMPTS[0], N_VOCAB + 3, *PROMPTS[1]], PROMPTS[2])
        for _ in range(2):
            assert propose(drafter, request(0, foreign, 4), request(1, plain, 4))[0] == ()
            foreign.append(FIRST_PIECE)
            plain.append(FIRST_PIECE)
        assert len(propose(drafter, request(1, plain, 4))[0]) == 4
        assert list(drafter.texts.text(0)) == list(PROMPTS[0])[: drafter.texts.length(0)]
