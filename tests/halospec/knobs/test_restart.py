"""Starting a server anew for each k, with a stand-in for the server that is a real process on a real port."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil
import pytest

from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.restart import Restart, ServerCommand
from halospec.knobs.types import KnobError, SwitchReason

SERVER = Path(__file__).with_name("stand_in_server.py")
DRAFT_ARGS = DraftArgs("--drafted {k}", "--plain")


class Place:
    """A directory in which a stand-in server is started and notes how."""

    def __init__(self, directory: Path, clock: Callable[[], int]) -> None:
        self._notes = directory / "notes.jsonl"
        self._clock = clock
        self.log = directory / "logs" / "server.log"

    def command(self, *options: str, port: str = "{port}") -> ServerCommand:
        line = f"'{sys.executable}' '{SERVER}' --port {port} --notes '{self._notes}' {' '.join(options)} {{draft_args}}"
        return ServerCommand.parse(line, draft_args=DRAFT_ARGS)

    def restart(self, *options: str, port: str = "{port}", **settings: Any) -> Restart:
        return Restart(self.command(*options, port=port), self._clock, self.log, **settings)

    @property
    def starts(self) -> list[dict[str, Any]]:
        if not self._notes.exists():
            return []
        return [json.loads(line) for line in self._notes.read_text().splitlines()]

    @property
    def draft_arguments(self) -> list[list[str]]:
        return [start["draft"] for start in self.starts]

    def running(self) -> list[int]:
        """Process ids, of servers and what they started, that are still there."""
        started = [start[name] for start in self.starts for name in ("pid", "child") if start[name]]
        return [pid for pid in started if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


@pytest.fixture
def place(tmp_path, ticking_clock):
    return Place(tmp_path, ticking_clock)


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{url}/health")).is_success


async def test_it_starts_the_server_with_the_arguments_for_k(place):
    async with place.restart() as knob:
        switch = await knob.switch_to(4)
        assert await answers(knob.url)
    assert place.draft_arguments == [["--drafted", "4"]]
    assert (switch.draft_length, switch.reason) == (4, SwitchReason.FIRST)
    assert switch.detail.endswith("--drafted 4")


async def test_another_k_starts_it_anew(place):
    async with place.restart() as knob:
        await knob.switch_to(4)
        switch = await knob.switch_to(0)
        assert await answers(knob.url)
        assert len(place.running()) == 1
    assert place.draft_arguments == [["--drafted", "4"], ["--plain"]]
    assert (switch.draft_length, switch.reason) == (0, SwitchReason.CHANGED)


async def test_the_same_k_leaves_it_running(place):
    async with place.restart() as knob:
        await knob.switch_to(4)
        assert await knob.switch_to(4) is None
    assert len(place.starts) == 1


async def test_a_switch_lasts_from_before_the_old_server_ends_until_the_new_one_answers(place):
    async with place.restart() as knob:
        first = await knob.switch_to(1)
        second = await knob.switch_to(2)
    assert [first.started_ns, first.ended_ns, second.started_ns, second.ended_ns] == [10, 20, 30, 40]


async def test_a_server_that_died_by_itself_is_started_again_for_the_same_k(place):
    async with place.restart() as knob:
        await knob.switch_to(4)
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.TransportError):
                await client.post(f"{knob.url}/v1/chat/completions")
        switch = await knob.switch_to(4)
        assert await answers(knob.url)
    assert (switch.draft_length, switch.reason) == (4, SwitchReason.DIED)
    assert len(place.starts) == 2


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--busy-looks", "2"], id="it loads its model"),
        pytest.param(["--health-status", "404", "--models-status", "200"], id="it has no health page"),
        pytest.param(["--health-status", "401"], id="it wants a key"),
    ],
)
async def test_it_waits_until_the_server_answers(place, options):
    async with place.restart(*options, start_timeout_s=20) as knob:
        assert await knob.switch_to(1) is not None


async def test_leaving_ends_the_server_and_what_it_started(place):
    async with place.restart("--with-child") as knob:
        await knob.switch_to(1)
        assert len(place.running()) == 2
    assert place.running() == []


async def test_leaving_by_an_exception_ends_the_server(place):
    with suppress(ZeroDivisionError):
        async with place.restart() as knob:
            await knob.switch_to(1)
            raise ZeroDivisionError
    assert len(place.starts) == 1
    assert place.running() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking them")
async def test_a_server_that_does_not_end_when_asked_is_killed(place):
    async with place.restart("--stubborn", stop_grace_s=0.2) as knob:
        await knob.switch_to(1)
    assert place.running() == []


async def test_a_start_that_is_cancelled_leaves_no_server(place):
    async with place.restart("--mute") as knob:
        async with anyio.create_task_group() as group:
            group.start_soon(knob.switch_to, 1)
            with anyio.fail_after(20):
                while not place.starts:  # noqa: ASYNC110  (another process says so, in a file)
                    await anyio.sleep(0.02)
            group.cancel_scope.cancel()
        assert place.running() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking them")
async def test_a_switch_that_is_cancelled_while_the_old_server_ends_leaves_no_server(place):
    async with place.restart("--stubborn", stop_grace_s=1.0) as knob:
        await knob.switch_to(1)
        with anyio.move_on_after(0.1) as limit:
            await knob.switch_to(2)
        assert limit.cancelled_caught
        assert len(place.starts) == 1
        assert place.running() == []


async def test_cancelling_the_whole_leaves_no_server(place):
    with anyio.CancelScope() as scope:
        async with place.restart("--with-child") as knob:
            await knob.switch_to(1)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert len(place.starts) == 1
    assert place.running() == []


async def test_a_server_that_never_answers_is_given_up_and_ended(place):
    async with place.restart("--mute", start_timeout_s=0.5) as knob:
        with pytest.raises(KnobError, match=r"did not answer at http://127\.0\.0\.1:\d+ within 0\.5 s .*server\.log"):
            await knob.switch_to(1)
        assert place.running() == []


async def test_a_server_that_ends_is_reported_with_its_last_words(place):
    async with place.restart("--say", "'no \x1b[31mmodel'") as knob:
        with pytest.raises(KnobError) as problem:
            await knob.switch_to(1)
    assert "ended with status 3 before it answered: an earlier line / no \N{REPLACEMENT CHARACTER}[31mmodel" in str(
        problem.value
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal here")
async def test_its_last_words_are_not_those_of_a_server_before_it(place):
    place.log.parent.mkdir()
    place.log.write_text("what another one said\n")
    async with place.restart("--die-of", "SIGKILL") as knob:
        with pytest.raises(KnobError, match=r"was ended by SIGKILL before it answered: it wrote nothing"):
            await knob.switch_to(1)
    assert place.log.read_text() == "what another one said\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal here")
async def test_an_illegal_instruction_is_reported_with_its_remedy(place):
    async with place.restart("--die-of", "SIGILL") as knob:
        with pytest.raises(KnobError, match=r"illegal instruction.*GGML_NATIVE=OFF"):
            await knob.switch_to(1)


async def test_a_failed_start_can_be_followed_by_one_that_succeeds(place):
    port = _free_port()
    async with place.restart(port=str(port)) as knob:
        with socket.create_server(("127.0.0.1", port)), pytest.raises(KnobError):
            await knob.switch_to(1)
        switch = await knob.switch_to(1)
    assert switch.reason is SwitchReason.FIRST


async def test_it_does_not_take_another_server_for_its_own(place):
    with socket.create_server(("127.0.0.1", 0)) as other:
        async with place.restart(port=str(other.getsockname()[1])) as knob:
            with pytest.raises(KnobError, match=r"Something already answers at http://127\.0\.0\.1"):
                await knob.switch_to(1)
    assert place.starts == []


async def test_a_program_that_is_not_there_is_named(tmp_path, ticking_clock):
    command = ServerCommand.parse("no-such-server --port {port} {draft_args}", draft_args=DRAFT_ARGS)
    async with Restart(command, ticking_clock, tmp_path / "log") as knob:
        with pytest.raises(KnobError, match=r"program, no-such-server, is not there"):
            await knob.switch_to(1)


async def test_the_server_inherits_the_environment_but_not_our_key(place, monkeypatch):
    monkeypatch.setenv("HALOSPEC_API_KEY", "ours")
    monkeypatch.setenv("HALOSPEC_SERVER_API_KEY", "its own")
    monkeypatch.setenv("LLAMA_ARG_THREADS", "2")
    async with place.restart() as knob:
        await knob.switch_to(1)
    (start,) = place.starts
    assert start["variables"] == ["HALOSPEC_SERVER_API_KEY", "LLAMA_ARG_THREADS"]


async def test_a_key_in_the_command_is_never_shown(place):
    async with place.restart("--api-key", "sesame") as knob:
        switch = await knob.switch_to(1)
    assert "--api-key '***'" in switch.detail
    assert "sesame" not in switch.detail
    async with place.restart("--api-key", "sesame", "--say", "'bad key sesame'") as knob:
        with pytest.raises(KnobError, match=r"bad key \*\*\*"):
            await knob.switch_to(1)


def test_requests_say_nothing_of_k(place):
    change = place.restart().request_change(4)
    assert change.model is None
    assert not change.fields


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
