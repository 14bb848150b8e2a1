"""Timing rounds under load: nothing is recorded as made beside a load that was gone."""

from __future__ import annotations

import itertools
from unittest.mock import create_autospec

import pytest

from halospec.contention.activity import Activity
from halospec.contention.loads import Load, ProcessLoad
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import Injected
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import Completion
from halospec.recordings import costs
from halospec.recordings.costs import CostObserver, CostsFailed, TimedTexts, record_costs
from halospec.recordings.visits import Condition, ThreadSetting, Visit
from halospec.records.schema import Round
from halospec.workloads.prompts import Prompt

pytestmark = pytest.mark.anyio

LOAD = Load(ProcessLoad(("make", "-j2")))
VISIT = Visit(Condition((LOAD,)), ThreadSetting(1, 1), prompt=0, after_change=True)
TEXTS = TimedTexts("uniform@max_length=2", 8, (Prompt("a", "A?"),))


@pytest.fixture
def anyio_backend():
    return "asyncio"


class StandInInjector(NoLoad):
    """Stands in for workers that end when they please: it loads nothing and says how its load ended."""

    def __init__(self, ended_early: str | None) -> None:
        self.injected = (Injected(LOAD, Activity(), ended_early),)


async def visited(monkeypatch, ended_early: str | None):
    monkeypatch.setattr(costs, "injector_for", lambda loads, clock: StandInInjector(ended_early))
    endpoint = create_autospec(ChatEndpoint, instance=True)
    endpoint.complete.return_value = Completion("ta", "length", 1, round_log=(Round(k=1, accepted=0),))
    clock = itertools.count().__next__
    return await record_costs(endpoint, TEXTS, (VISIT,), clock, create_autospec(CostObserver, instance=True))


async def test_rounds_beside_a_load_that_ended_by_itself_are_refused(monkeypatch):
    with pytest.raises(CostsFailed, match=r"recorded\. process:make -j2: it ended, saying: done; give one"):
        await visited(monkeypatch, "it ended, saying: done")


async def test_rounds_beside_a_load_that_lasted_are_kept(monkeypatch):
    (one,) = await visited(monkeypatch, None)
    assert one.visit == VISIT
