"""The probe: canaries sent over every knob, judged, and put together with what else was found out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import anyio

import halospec
from halospec.clock import Clock
from halospec.endpoints.api import ServerApi
from halospec.endpoints.preflight import ServerFacts
from halospec.endpoints.retry import Sleep
from halospec.endpoints.types import RequestChange
from halospec.knobs.types import Knob, KnobError, KnobKind
from halospec.probe.campaign import Campaign
from halospec.probe.errors import ProbeError
from halospec.probe.observer import ProbeObserver, Unobserved
from halospec.probe.reporting import advice_on, counted_throughout, knob_reports, probed_server, traits_of
from halospec.probe.sender import CanaryEndpoint, Sender
from halospec.probe.server_traits import ask_for_traits, merged
from halospec.probe.settings import ProbeSettings
from halospec.records.probe import ProbeReport, Untried

_AS_ASKED = ProbeSettings()
_UNOBSERVED = Unobserved()


async def probe(
    endpoint: CanaryEndpoint,
    knobs: Sequence[Knob],
    server: ServerFacts,
    api: ServerApi,
    clock: Clock,
    *,
    settings: ProbeSettings = _AS_ASKED,
    observer: ProbeObserver = _UNOBSERVED,
    untried: Sequence[Untried] = (),
    sleep: Sleep = anyio.sleep,
) -> ProbeReport:
    """Find out through which of these knobs, if any, a draft length has an effect on a server.

    Parameters
    ----------
    endpoint
        Entered, and not steered: each canary says itself what its knob changes.
    knobs
        Entered, likeliest first; at least one, names all different. The server is left at whatever k was last asked
        for.
    clock
        The endpoint's own.
    untried
        Knobs that are to be named in the report, and not tried.

    Raises
    ------
    ProbeError
        If the server does not complete a plain request, or stops answering.
    """
    started_ns, probed_at = clock(), datetime.now(UTC)
    plain = await _plain_change(knobs)
    sender = Sender(endpoint, server, api, clock, settings, observer, plain=plain, sleep=sleep)
    await sender.warm_up()
    asked = await ask_for_traits(sender, server.dialect, settings) if settings.traits else None
    campaign = Campaign(sender, server.speculation, settings, len(knobs))
    found = counted_throughout(await campaign.try_all(knobs))
    reports = knob_reports(knobs, found, server.speculation, settings.seed)
    return ProbeReport(
        halospec=halospec.__version__,
        probed_at=probed_at,
        seconds=(clock() - started_ns) / 1e9,
        canaries=sender.sent,
        server=probed_server(server),
        knobs=reports,
        untried=tuple(untried),
        traits=None if asked is None else merged([asked, traits_of(reports, found)]),
        advice=advice_on(reports, server.kind.advice),
    )


async def _plain_change(knobs: Sequence[Knob]) -> RequestChange:
    """Return how to ask for any reply: where there are aliases, the model that they stand for need not be loaded."""
    alias = next((knob for knob in knobs if knob.kind is KnobKind.MODEL_ALIAS and knob.lengths), None)
    if alias is None or not alias.lengths:
        return RequestChange()
    shortest = min(alias.lengths)
    try:
        await alias.switch_to(shortest)
    except KnobError as problem:
        raise ProbeError(str(problem)) from problem
    return alias.request_change(shortest)
