"""The probe against the bundled server on a loopback socket, with the tiny pair of random weights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from halospec.clock import start_clock
from halospec.endpoints.api import ServerApi
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.preflight import check_server
from halospec.knobs.request_field import RequestField
from halospec.probe.probe import probe
from halospec.probe.settings import ProbeSettings
from halospec.records.probe import Basis, ProbeReport, Verdict
from tiny_engines import open_engine
from tiny_models import write_tiny_pair
from tiny_server import serving


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pair = write_tiny_pair(tmp_path_factory.mktemp("tiny-pair"))
    with serving(open_engine(pair, ctx_size=2048, parallel=2)) as server:
        yield server.url


@asynccontextmanager
async def report_on(url: str, *fields: str, traits: bool = False) -> AsyncIterator[ProbeReport]:
    server = await check_server(url)
    clock = start_clock()
    async with (
        ChatEndpoint(server.base_url, server.model, clock, dialect=server.dialect) as endpoint,
        open_client(server.base_url, ConnectionSettings(), None) as client,
    ):
        api = ServerApi(client, server.base_url)
        knobs = [RequestField(field) for field in fields]
        yield await probe(endpoint, knobs, server, api, clock, settings=ProbeSettings(traits=traits))


async def test_its_draft_length_is_obeyed_and_everything_is_counted(url: str):
    async with report_on(url, "draft_length", traits=True) as report:
        [knob] = report.knobs

    assert (knob.verdict, knob.basis) == (Verdict.OBEYED, Basis.COUNTS)
    at_zero, at_one, at_eight = knob.by_length
    assert (at_zero.drafted, at_one.most_drafted_in_a_round, at_eight.most_drafted_in_a_round) == (0, 1, 8)
    assert sum(at.drafted for at in at_eight.accepted_by_position) == at_eight.drafted
    assert sum(at.accepted for at in at_eight.accepted_by_position) == at_eight.accepted
    assert report.server.kind == "bundled"
    traits = report.traits
    assert traits is not None
    assert (traits.streams, traits.usage_in_stream, traits.timings_in_stream) == (True, True, True)
    assert (traits.greedy_repeats, traits.caches_prompts, traits.obeys_cache_prompt) == (True, True, True)


async def test_fields_that_it_does_not_know_are_ignored(url: str):
    async with report_on(url, "speculative.n_max", "$.speculative.n_max") as report:
        verdicts = {knob.knob: (knob.verdict, knob.basis) for knob in report.knobs}

    ignored = (Verdict.IGNORED, Basis.COUNTS)
    assert verdicts == {"speculative.n_max": ignored, "$.speculative.n_max": ignored}
    assert report.best is None
