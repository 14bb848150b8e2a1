"""What holds on every kind of server: nothing is begun that could not be undone, by whomever, at any moment."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from halospec.aliases.errors import AliasError
from halospec.aliases.types import AliasServer


class Killed(BaseException):
    """The process ends without a chance to do anything."""


@dataclass
class Death:
    came: bool = False


@contextmanager
def dying_after(requests: int, setting: Any) -> Iterator[Death]:
    """Let so many requests through, and end whatever sends one more."""
    death, sent = Death(), itertools.count()

    def answer(_: httpx.Request) -> None:
        if next(sent) >= requests:
            raise Killed

    setting.stand_in.answers = answer
    try:
        yield death
    except Killed:
        death.came = True
    finally:
        setting.stand_in.answers = lambda _: None


@pytest.mark.parametrize(
    ("lengths", "complaint"),
    [((), "No draft length"), ((-1, 2), "cannot be negative"), ((2, 0, 2), "comes twice in 0, 2, 2")],
)
async def test_lengths_must_make_sense(router, lengths: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(AliasError, match=complaint):
        await router.create(*lengths)
    assert router.stand_in.seen == []


async def test_a_server_without_aliases_is_named_with_what_to_do(router) -> None:
    router.server = AliasServer("openai", router.server.base_url, "smol")
    with pytest.raises(AliasError, match=r"on llama-server's router and on Lemonade; .* taken for 'openai'"):
        await router.create(0, 1)


async def test_aliases_are_not_created_twice(router) -> None:
    await router.create(0)
    with pytest.raises(AliasError, match="already, or what is left of them; run `halospec aliases remove` first"):
        await router.create(1)


async def test_what_is_to_be_undone_is_written_down_before_the_first_change(setting_in, tmp_path: Path) -> None:
    setting = setting_in(tmp_path)

    def look(request: httpx.Request) -> None:
        if request.method != "GET" or request.url.params.get("reload"):
            assert setting.states, f"{request.method} {request.url.path} came before the state was written"

    setting.stand_in.answers = look
    await setting.create(0, 1)


async def test_it_can_be_undone_after_a_death_at_any_moment(setting_in, tmp_path: Path) -> None:
    for fatal in itertools.count():
        setting = setting_in(tmp_path / str(fatal))
        before = setting.stand_in.snapshot()
        with dying_after(fatal, setting) as death:
            await setting.create(0, 1)
        await setting.remove()
        assert setting.stand_in.snapshot() == before, f"after a death at request {fatal + 1}"
        assert setting.states == []
        if not death.came:
            break
    assert fatal > 5


async def test_removing_can_be_taken_up_again_after_a_death_at_any_moment(setting_in, tmp_path: Path) -> None:
    for fatal in itertools.count():
        setting = setting_in(tmp_path / str(fatal))
        before = setting.stand_in.snapshot()
        await setting.create(0, 1)
        with dying_after(fatal, setting) as death:
            await setting.remove()
        removed = await setting.remove()
        assert setting.stand_in.snapshot() == before, f"after a death at request {fatal + 1}"
        assert (removed.left, setting.states) == ((), [])
        if not death.came:
            break
    assert fatal > 5


async def test_an_interruption_undoes_it_all_before_it_goes_on(setting_in, tmp_path: Path) -> None:
    setting = setting_in(tmp_path)
    before = setting.stand_in.snapshot()
    with anyio.CancelScope() as scope:

        def interrupt(request: httpx.Request) -> None:
            if request.url.path.endswith("/load"):
                scope.cancel()

        setting.stand_in.answers = interrupt
        await setting.create(0, 1)
    assert scope.cancelled_caught
    assert setting.stand_in.snapshot() == before
    assert setting.states == []


async def test_what_could_not_be_undone_is_said_and_remembered(router) -> None:
    def break_down(request: httpx.Request) -> None:
        if request.method == "POST":
            router.stand_in.answers = refuse
            raise httpx.ReadError("reset", request=request)

    def refuse(request: httpx.Request) -> None:
        raise httpx.ConnectError("refused", request=request)

    router.stand_in.answers = break_down
    with pytest.raises(AliasError) as caught:
        await router.create(0, 1)
    sentence = str(caught.value)
    assert "it could not all be undone" in sentence
    assert "run `halospec aliases remove` to try again" in sentence
    assert "\n" not in sentence
    assert len(router.states) == 1
    router.stand_in.answers = lambda _: None
    await router.remove()
    assert router.states == []


async def test_a_server_that_is_gone_is_one_sentence(lemonade) -> None:
    def refuse(request: httpx.Request) -> None:
        raise httpx.ConnectError("refused", request=request)

    lemonade.stand_in.answers = refuse
    with pytest.raises(AliasError, match="No server answers at"):
        await lemonade.create(0, 1)
    assert lemonade.states == []
