"""``halospec probe`` on real servers: the verdict that each of them deserves.

The native servers serve the tiny tiny_pair: what they count is theirs, whatever the weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import halospec
from halospec.records.probe import KnobReport, ProbeReport, Verdict
from halospec_server.model_files.embedded import embedded_file
from lemonade_double import serving_lemonade_double
from peer_servers import free_port, llama_cpp_python_server, llama_server, llama_server_program

pytestmark = pytest.mark.e2e

FIELDS = {"draft_length", "speculative.n_max", "$.speculative.n_max", "speculative_draft_length"}
SMALL = ("-c", 512)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def probed(*arguments: object) -> ProbeReport:
    done = halospec("probe", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return ProbeReport.model_validate_json(done.stdout)


def verdicts(report: ProbeReport) -> dict[str, str]:
    return {knob.knob: knob.verdict.value for knob in report.knobs}


def knob_of(report: ProbeReport, name: str) -> KnobReport:
    return next(knob for knob in report.knobs if knob.knob == name)


def test_the_bundled_server_obeys_each_request(tiny_server):
    report = probed(tiny_server)
    assert report.server.kind == "bundled"
    (knob,) = report.knobs
    assert (knob.knob, knob.verdict, knob.per_request) == ("draft_length", Verdict.OBEYED, True)
    by_k = {evidence.draft_length: evidence for evidence in knob.by_length}
    assert set(by_k) == {0, 1, 8}
    assert by_k[0].drafted == 0
    assert by_k[1].most_drafted_in_a_round == 1
    assert 1 < by_k[8].most_drafted_in_a_round <= 8
    traits = report.traits
    assert (traits.streams, traits.usage_in_stream, traits.greedy_repeats) == (True, True, True)


def test_a_field_that_the_bundled_server_does_not_know_is_ignored_or_refused(tiny_server):
    report = probed(tiny_server, "--knob", "field:n_draft_tokens")
    assert verdicts(report) == {"field:n_draft_tokens": "ignored"}


def test_the_table_says_the_same_in_words(tiny_server):
    printed = halospec("probe", tiny_server).stdout
    assert "obeyed" in printed
    assert "--knob draft_length" in printed


@pytest.mark.peer
class TestLlamaServer:
    def test_with_a_draft_model_every_request_field_is_ignored(self, tiny_pair, log):
        target, draft = tiny_pair
        drafting = ("-md", draft, "--spec-type", "draft-simple", "--spec-draft-n-max", 3)
        with llama_server("-m", target, *drafting, *SMALL, log=log) as url:
            report = probed(url)
        assert report.server.kind == "llama_server"
        assert report.server.speculation_configured is True
        assert verdicts(report) == dict.fromkeys(FIELDS, "ignored")
        rates = {e.drafted_per_round for knob in report.knobs for e in knob.by_length}
        assert all(2 < rate <= 3 for rate in rates)
        assert "restart" in report.advice
        assert "alias" in report.advice

    def test_without_speculation_it_says_that_no_draft_is_configured(self, tiny_pair, log):
        with llama_server("-m", tiny_pair[0], *SMALL, log=log) as url:
            report = probed(url, "--knob", "draft_length")
        (knob,) = report.knobs
        assert knob.verdict is Verdict.IGNORED
        assert report.server.speculation_configured is False
        assert "no draft is configured" in knob.reason.lower()

    def test_under_forced_acceptance_what_was_forced_is_recovered(self, tiny_pair, log):
        target, draft = tiny_pair
        rates = (0.9, 0.6, 0.3, 0.1)
        forced = ("--spec-synth-rates", ",".join(map(str, rates)), "--spec-draft-n-max", len(rates))
        with llama_server("-m", target, "-md", draft, "--spec-type", "draft-simple", *forced, *SMALL, log=log) as url:
            report = probed(url, "--knob", "draft_length", "--max-tokens", 400)
        (knob,) = report.knobs
        assert knob.verdict is Verdict.IGNORED
        found = knob.by_length[0]
        for position, rate in enumerate(rates):
            counted = found.accepted_by_position[position]
            # The server draws the same random numbers for every request, so that only one of them counts.
            spread = (rate * (1 - rate) / (counted.drafted / found.canaries)) ** 0.5
            assert abs(counted.accepted / counted.drafted - rate) < 4 * spread, (position, counted)

    def test_with_ngram_speculation_request_fields_are_ignored(self, tiny_pair, log):
        sizes = ("--spec-ngram-simple-size-n", 2, "--spec-ngram-simple-size-m", 8)
        with llama_server("-m", tiny_pair[0], "--spec-type", "ngram-simple", *sizes, *SMALL, log=log) as url:
            report = probed(url, "--knob", "draft_length", "--max-tokens", 96)
        (knob,) = report.knobs
        assert knob.verdict is Verdict.IGNORED
        assert all(evidence.drafted > 0 for evidence in knob.by_length)

    def test_starting_it_anew_is_obeyed(self, tiny_pair):
        target, draft = tiny_pair
        command = (
            f"{llama_server_program()} -m '{target}' -md '{draft}' --host 127.0.0.1 --port {free_port()}"
            " -c 512 -np 1 -t 1 {draft_args}"
        )
        report = probed("--server-command", command, "--knob", "restart")
        (knob,) = report.knobs
        assert (knob.knob, knob.verdict, knob.per_request) == ("restart", Verdict.OBEYED, False)
        assert knob.switch_ms > 0

    def test_aliases_in_router_mode_are_obeyed(self, router):
        url, preset = router
        created = halospec("aliases", "create", url, "--model", "tiny", "--lengths", "0,1,8", "--preset", preset)
        assert created.returncode == 0, created.stderr
        report = probed(url, "--model", "tiny", "--knob", "alias")
        (knob,) = report.knobs
        assert (knob.knob, knob.verdict, knob.per_request) == ("alias:tiny-k{k}", Verdict.OBEYED, True)
        removed = halospec("aliases", "remove", url, "--model", "tiny", "--preset", preset)
        assert removed.returncode == 0, removed.stderr


@pytest.fixture
def router(tiny_pair: tuple[Path, Path], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    target, draft = tiny_pair
    preset = tmp_path / "presets.ini"
    preset.write_text(f"[tiny]\nmodel = {target}\nmodel-draft = {draft}\nctx-size = 512\nparallel = 1\nthreads = 1\n")
    with llama_server("--models-preset", preset, "--models-max", 12, log=tmp_path / "router.log") as url:
        yield url, preset


@pytest.mark.peer
def test_llama_cpp_pythons_own_server_ignores_every_field(log):
    model = ("--model", embedded_file("Q4_1"), "--n_ctx", 512, "--n_threads", 1)
    with llama_cpp_python_server(*model, log=log) as url:
        report = probed(url)
    assert report.server.kind == "llama_cpp_python"
    assert verdicts(report) == dict.fromkeys(FIELDS, "ignored")


def test_the_double_of_lemonade_ignores_every_field():
    with serving_lemonade_double(scene="ngram") as double:
        report = probed(double.url)
    assert report.server.kind == "lemonade"
    assert verdicts(report) == dict.fromkeys(FIELDS, "ignored")


def test_json_is_all_that_stands_on_standard_output(tiny_server):
    done = halospec("probe", tiny_server, "--json")
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["knobs"][0]["verdict"] == "obeyed"


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_a_server_that_is_not_there_is_one_sentence(flag):
    done = halospec("probe", f"http://127.0.0.1:{free_port()}", *flag)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No server answers" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
