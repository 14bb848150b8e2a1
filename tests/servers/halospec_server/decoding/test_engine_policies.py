"""What a length policy chooses is what the engine does, and what the engine did is what the policy hears of."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import Threads
from halospec.controllers.rules import server_rules
from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation, Prefill, Round
from halospec_server.lengths.ruled import outcome_of
from plain_decoding import PlainDecoder
from scripted_rules import ScriptedRule, WatchingStop
from tiny_engines import DrafterName, Pair, greedy, open_engine, prompt_of, rounds_of, tokens_of

PROMPTS = ("ka ti mo", "so sa", "ko ti ko ti ko ta")
TOGETHER = (Setting(2, 2, 1), Setting(0, 1, 1), Setting(3, 1, 2), Setting(1))


def auto(prompt: tuple[int, ...], max_tokens: int, policy: str = "scripted") -> Generation:
    return replace(greedy(prompt, max_tokens), draft_length=None, length_policy=policy)


@pytest.mark.parametrize("drafter", ["model", "prompt_lookup"])
@pytest.mark.parametrize("policy", server_rules())
def test_every_policy_writes_what_plain_decoding_writes(
    model_engine: Engine, alone: PlainDecoder, policy: str, drafter: DrafterName
) -> None:
    for prompt in map(prompt_of, PROMPTS):
        steps = list(model_engine.generate(replace(auto(prompt, 60, policy), drafter=drafter)))
        assert tokens_of(steps) == alone.write(prompt, 60, ignore_eos=True), prompt


def test_lengths_and_threads_are_those_the_policy_chose_round_by_round(tiny_pair: Pair) -> None:
    rule = ScriptedRule(TOGETHER)
    with closing(open_engine(tiny_pair, make_rule=rule.make)) as engine:
        rounds = rounds_of(list(engine.generate(auto(prompt_of("ka ti mo"), 30))))
        assert len(rounds) > 8
        for i, done in enumerate(rounds):
            chosen = TOGETHER[i % 4]
            assert done.limit == chosen.draft_length
            assert done.threads == (chosen.threads or 1)
            assert done.draft_threads == ((chosen.draft_threads or 1) if done.k else 0)
        assert rule.told == [outcome_of(done) for done in rounds]


def test_after_a_policy_the_servers_own_threads_are_back(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, make_rule=ScriptedRule((Setting(2, 2, 2),)).make)) as engine:
        for generation, threads in ((auto(prompt_of("ka"), 20), 2), (greedy(prompt_of("ka"), 20, 2), 1)):
            rounds = rounds_of(list(engine.generate(generation)))
            assert {(done.threads, done.draft_threads) for done in rounds if done.k} == {(threads, threads)}


def test_threads_that_the_request_asks_for_come_before_the_policys(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, make_rule=ScriptedRule((Setting(2, 2, 2),)).make)) as engine:
        own = replace(auto(prompt_of("ka"), 20), threads=3)
        assert {(r.threads, r.draft_threads) for r in rounds_of(list(engine.generate(own))) if r.k} == {(3, 2)}
        own = replace(own, threads=None, draft_threads=3)
        assert {(r.threads, r.draft_threads) for r in rounds_of(list(engine.generate(own))) if r.k} == {(2, 3)}


def test_of_several_in_one_pass_the_fewest_threads_win(tiny_pair: Pair) -> None:
    rule = ScriptedRule((Setting(2, 2, 3),))
    with closing(open_engine(tiny_pair, parallel=2, make_rule=rule.make)) as engine:
        engine.admit(auto(prompt_of("ka"), 20))
        engine.admit(replace(greedy(prompt_of("so ti"), 20, 2), threads=4, draft_threads=2))
        engine.step()
        rounds = [step.cost for _, step in engine.step() if isinstance(step.cost, Round)]
        assert {(done.threads, done.draft_threads) for done in rounds} == {(2, 2)}


def test_a_policy_is_told_how_many_share_the_next_pass_and_so_it_is(tiny_pair: Pair) -> None:
    rule = ScriptedRule((Setting(1),))
    with closing(open_engine(tiny_pair, parallel=3, make_rule=rule.make)) as engine:
        for words, max_tokens in (("ka", 40), ("ti mo", 12), ("so sa", 5)):
            engine.admit(auto(prompt_of(words), max_tokens))
            engine.step()
        while engine.free < 3:
            engine.step()
    assert set(rule.asked) == {1, 2, 3}
    assert rule.asked == [done.sequences for done in rule.told]


def test_the_prompt_is_read_with_the_servers_own_threads(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair, make_rule=ScriptedRule((Setting(2, 2, 2),)).make)) as engine:
        for _ in range(2):
            sequence = engine.admit(auto(prompt_of("ka ti"), 3))
            ((_, first),) = engine.step()
            assert isinstance(first.cost, Prefill)
            assert engine.target.threads_for(1) == 1
            engine.release(sequence)


@pytest.mark.parametrize(
    ("drafter", "threads", "most", "expected"),
    [
        ("model", 2, 2, ((2, 2), (2, 1), (1, 1))),
        ("model", 6, 8, ((6, 6), (6, 1), (1, 1), (3, 3))),
        ("model", 1, 2, ((1, 1),)),
    ],
)
def test_rules_are_offered_the_servers_own_threads_first(
    tiny_pair: Pair, drafter: DrafterName, threads: int, most: int, expected: tuple[tuple[int, int], ...]
) -> None:
    rule = ScriptedRule((Setting(0),))
    with closing(open_engine(tiny_pair, drafter, make_rule=rule.make, threads=threads, max_threads=most)) as engine:
        engine.admit(auto(prompt_of("ka"), 5))
    assert rule.offered == Threads(expected)


def test_a_stop_ends_a_models_drafts_and_no_others(tiny_pair: Pair, alone: PlainDecoder) -> None:
    stop = WatchingStop(lambda place: place.top_probability < 0.5)
    with closing(open_engine(tiny_pair, make_rule=ScriptedRule((Setting(6),), stop).make)) as engine:
        prompt = prompt_of("ka ti ka ti ka ti")
        steps = list(engine.generate(auto(prompt, 60)))
        rounds = rounds_of(steps)
        assert tokens_of(steps) == alone.write(prompt, 60, ignore_eos=True)
        assert 0 < sum(done.k for done in rounds) < 0.9 * sum(done.limit for done in rounds)
        assert len(stop.drafts) <= len(rounds)
        stop.drafts.clear()
        assert sum(
            done.k for done in rounds_of(list(engine.generate(replace(auto(prompt, 60), drafter="prompt_lookup"))))
        )
        assert stop.drafts == []


def test_reasons_come_with_the_rounds_whose_setting_is_another_than_before(tiny_pair: Pair) -> None:
    script = (Setting(2), Setting(2), Setting(2, 1, 1), Setting(3))
    with closing(open_engine(tiny_pair, make_rule=ScriptedRule(script).make)) as engine:
        explained = replace(auto(prompt_of("ka ti mo"), 40), explain=True)
        steps = list(engine.generate(explained))
        reasons = [step.decision.reason if step.decision else None for step in steps[1:6]]
        assert steps[0].decision is None
        assert reasons == ["choice 1", None, "choice 3", "choice 4", "choice 5"]
        assert not any(step.decision for step in engine.generate(replace(explained, explain=False)))


def test_what_was_learned_is_forgotten_after_a_fault(tiny_pair: Pair) -> None:
    with closing(open_engine(tiny_pair)) as engine:
        list(engine.generate(auto(prompt_of("ka"), 20, "ema_accept")))
        assert len(engine.rules) == 1
        engine.reset()
        assert len(engine.rules) == 0
