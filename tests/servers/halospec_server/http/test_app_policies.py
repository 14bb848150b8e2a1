"""Length policies as a client meets them: spelled in a request, at work in its rounds, explained in its reply."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from halospec.controllers.decision import Setting
from halospec.controllers.rules import RULES, server_rules
from halospec.controllers.sharing import EachAnew, Shared
from halospec_server.http.app import ServerSettings
from halospec_server.jobs.completion import MOST_DECISIONS
from halospec_server.lengths.rules import MOST_RULES
from scripted_rules import CountingSteps, ScriptedRule, always
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, serving, stream


def ask(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post(COMPLETIONS, json=chat() | {"draft_length": "auto", "max_tokens": 40} | fields)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def rounds(client: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = ask(client, **fields)["speculation"]["rounds"]
    return done


def text_of(reply: dict[str, Any]) -> str:
    content: str = reply["choices"][0]["message"]["content"]
    return content


@pytest.mark.parametrize("name", server_rules())
def test_every_policy_is_at_work_under_its_name_and_leaves_the_text_alone(client: httpx.Client, name: str) -> None:
    reply = ask(client, length_policy=name)
    assert (reply["speculation"]["draft_length"], reply["speculation"]["length_policy"]) == (None, name)
    assert {r["limit"] for r in reply["speculation"]["rounds"]} <= set(RULES[name].lengths(RULES[name].settings()))
    assert text_of(reply) == text_of(ask(client, draft_length=0))


def test_settings_are_given_with_the_name(client: httpx.Client) -> None:
    spelling = "heuristic@start_length=3@max_length=4"
    reply = ask(client, length_policy=spelling)
    limits = [r["limit"] for r in reply["speculation"]["rounds"]]
    assert reply["speculation"]["length_policy"] == spelling
    assert limits[0] == 3
    assert max(limits) <= 4


def test_a_server_is_started_with_settings_too(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length="auto", length_policy="uniform@min_length=2@max_length=2")
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        assert {r["limit"] for r in rounds(client)} == {2}
        assert client.get("/v1/models").json()["data"][0]["meta"]["length_policy"] == settings.length_policy


@pytest.mark.parametrize(
    ("spelling", "named"),
    [
        ("horoscope", "heuristic"),
        ("adaptive", "heuristic"),
        ("", "heuristic"),
        ("auto:heuristic", "heuristic"),
        ("heuristic@mood=good", "start_length"),
        ("heuristic@start_length=99", "start_length"),
        ("heuristic@start_length", "start_length"),
        ("heuristic@start_length=3@start_length=4", "start_length"),
        ("ema_accept@candidate_steps=1+17", "candidate_steps"),
        ("heuristic@start_length=3\n", "pattern"),
        ("heuristic@start_length=\u0663", "pattern"),
        ("heuristic@" + "a" * 300 + "=1", "length_policy"),
    ],
)
def test_what_stands_for_no_policy_is_refused_in_one_sentence(client: httpx.Client, spelling: str, named: str) -> None:
    refused = client.post(COMPLETIONS, json=chat(length_policy=spelling))
    assert refused.status_code == 400, refused.text
    error = refused.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "length_policy")
    assert error["message"].startswith("length_policy: ")
    assert named in error["message"]
    assert error["message"].endswith(".")
    assert "\n" not in error["message"]


def test_threads_that_a_policy_chooses_are_in_the_round_log(tiny_pair: Pair) -> None:
    script = (Setting(2, 2, 1), Setting(2, 1, 2), Setting(2))
    with serving(open_engine(tiny_pair, make_rule=ScriptedRule(script).make)) as server, server.client() as client:
        full = [r for r in rounds(client) if r["k"]]
        assert [(r["threads"], r["draft_threads"]) for r in full] == [
            ((2, 1), (1, 2), (1, 1))[i % 3] for i in range(len(full))
        ]
        assert {r["threads"] for r in rounds(client, threads=2)} == {2}
        assert {r["draft_threads"] for r in rounds(client, draft_threads=2) if r["k"]} == {2}


def test_a_rule_for_all_texts_goes_on_from_request_to_request(tiny_pair: Pair) -> None:
    engine = open_engine(tiny_pair, make_rule=always(Shared(CountingSteps())))
    with serving(engine) as server, server.client() as client:
        first = rounds(client, max_tokens=6)
        assert [r["limit"] for r in first] == list(range(len(first)))
        assert rounds(client)[0]["limit"] == min(len(first), 8)


def test_a_rule_for_one_text_begins_anew_with_each_choice_too(tiny_pair: Pair) -> None:
    engine = open_engine(tiny_pair, make_rule=always(EachAnew(CountingSteps)))
    with serving(engine) as server, server.client() as client:
        for _ in range(2):
            done = rounds(client, max_tokens=6, n=2)
            for choice in (0, 1):
                limits = [r["limit"] for r in done if r["choice"] == choice]
                assert limits == list(range(len(limits)))


def test_however_many_settings_are_spelled_only_so_many_rules_are_kept(tiny_pair: Pair) -> None:
    with serving(open_engine(tiny_pair)) as server, server.client() as client:
        for seed in range(MOST_RULES + 4):
            ask(client, length_policy=f"uniform@seed={seed}", max_tokens=2)
        assert len(server.engine.rules) == MOST_RULES


def test_a_pinned_draft_length_is_stronger_than_any_policy(tiny_pair: Pair) -> None:
    rule = ScriptedRule((Setting(5, 2, 2),))
    settings = ServerSettings(pinned_draft_length=2)
    with serving(open_engine(tiny_pair, make_rule=rule.make), settings) as server, server.client() as client:
        speculation = ask(client, length_policy="heuristic", explain=True)["speculation"]
    assert {(r["limit"], r["threads"]) for r in speculation["rounds"]} == {(2, 1)}
    assert "decisions" not in speculation
    assert rule.asked == []


class TestReasons:
    SCRIPT = (Setting(2), Setting(2), Setting(3, 2, 1))

    def test_say_what_was_chosen_among_what_and_why(self, tiny_pair: Pair) -> None:
        engine = open_engine(tiny_pair, make_rule=ScriptedRule(self.SCRIPT).make)
        with serving(engine) as server, server.client() as client:
            speculation = ask(client, explain=True)["speculation"]
        first, second, *_ = speculation["decisions"]
        weighed = [self.candidate(2), self.candidate(2), self.candidate(3, 2, 1)]
        told = {"choice": 0, "candidates": weighed, "acceptance": [0.75, 0.5], "alarms": ["it was written so"]}
        assert first == told | {"round": 0, "chosen": self.setting(2), "reason": "choice 1"}
        assert second == told | {"round": 2, "chosen": self.setting(3, 2, 1), "reason": "choice 3"}
        for decision in speculation["decisions"]:
            done = speculation["rounds"][decision["round"]]
            assert done["limit"] == decision["chosen"]["draft_length"]

    def test_are_given_where_they_are_asked_for_and_there_are_any(self, tiny_pair: Pair, client: httpx.Client) -> None:
        assert "decisions" not in ask(client, explain=True, length_policy="heuristic")["speculation"]
        assert "decisions" not in ask(client, explain=True, draft_length=3)["speculation"]
        engine = open_engine(tiny_pair, make_rule=ScriptedRule(self.SCRIPT).make)
        with serving(engine) as server, server.client() as other:
            assert "decisions" not in ask(other)["speculation"]
            assert "decisions" not in ask(other, explain=False)["speculation"]
            assert "decisions" not in ask(other, explain=True, drafter="none")["speculation"]

    def test_ride_on_a_streams_last_chunk(self, tiny_pair: Pair) -> None:
        engine = open_engine(tiny_pair, make_rule=ScriptedRule(self.SCRIPT).make)
        with serving(engine) as server, server.client() as client:
            whole = ask(client, explain=True)["speculation"]["decisions"]
            *others, last = stream(client, chat(draft_length="auto", max_tokens=40, explain=True)).chunks
        assert last["speculation"]["decisions"] == whole
        assert not any("speculation" in chunk for chunk in others)

    def test_are_at_most_so_many_and_say_whose_they_are(self, tiny_pair: Pair) -> None:
        restless = ScriptedRule((Setting(0), Setting(1)))
        engine = open_engine(tiny_pair, make_rule=restless.make)
        with serving(engine) as server, server.client() as client:
            few = ask(client, explain=True, n=2, max_tokens=8)["speculation"]["decisions"]
            many = ask(client, explain=True, n=2, max_tokens=150)["speculation"]["decisions"]
        assert {decision["choice"] for decision in few} == {0, 1}
        assert [d["round"] for d in few if d["choice"] == 1] == list(range(sum(d["choice"] for d in few)))
        assert len(many) == MOST_DECISIONS

    def test_name_the_latest_alarms_and_no_more_than_a_client_takes(self, tiny_pair: Pair) -> None:
        alarmed = ScriptedRule((Setting(2),), alarms=tuple(map(str, range(100))))
        with serving(open_engine(tiny_pair, make_rule=alarmed.make)) as server, server.client() as client:
            (decision,) = ask(client, explain=True)["speculation"]["decisions"]
        assert decision["alarms"] == [str(number) for number in range(36, 100)]

    @staticmethod
    def setting(draft_length: int, threads: int | None = None, draft_threads: int | None = None) -> dict[str, Any]:
        return {"draft_length": draft_length, "threads": threads, "draft_threads": draft_threads}

    @classmethod
    def candidate(cls, *setting: int) -> dict[str, Any]:
        return cls.setting(*setting) | {"tokens_per_round": 1.5, "round_ms": 10.0}
