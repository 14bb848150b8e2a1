"""``halospec aliases``: one model name per draft length, set up on a server and taken away again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import anyio
import typer

from halospec.aliases.errors import AliasError
from halospec.aliases.setup import create_aliases, remove_aliases, server_with_aliases
from halospec.aliases.types import AliasesCreated, AliasesRemoved, AliasServer
from halospec.analysis.printable import printable
from halospec.cli import options
from halospec.cli.application import app
from halospec.cli.consoles import progress_console
from halospec.cli.sentences import EXIT_FAILED, EXIT_INTERRUPTED, fail, one_sentence, usage
from halospec.config import TargetSettings
from halospec.endpoints.api import ServerApi
from halospec.endpoints.base_url import parse_url
from halospec.endpoints.connection import open_client
from halospec.endpoints.preflight import check_server
from halospec.knobs.draft_args import DraftArgs

_LENGTHS = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?", re.ASCII)
_Result = TypeVar("_Result")

aliases = typer.Typer(
    name="aliases",
    help="One model name per draft length, on llama-server's router or on Lemonade: k can then change per request.",
    no_args_is_help=True,
)
app.add_typer(aliases)

Url = Annotated[str, typer.Argument(help="The server, such as http://127.0.0.1:8080.")]
OfModel = Annotated[str, typer.Option("--model", help="The model that the aliases stand for.")]
Preset = Annotated[
    Path | None,
    typer.Option(help="The file that llama-server's router was started with (--models-preset). Not for Lemonade."),
]


@aliases.command()
def create(
    url: Url,
    model: OfModel,
    lengths: Annotated[str, typer.Option(help="Draft lengths, such as 0,1,2,4,8 or 0-8.")] = "0-8",
    preset: Preset = None,
    draft_args: options.DraftArgs = None,
    no_draft_args: options.NoDraftArgs = None,
    load: Annotated[bool, typer.Option(help="Load them all now.")] = True,
    server: options.Server = "auto",
    api_key: options.ApiKey = None,
    ca_bundle: options.CaBundle = None,
    insecure: options.Insecure = False,
    client_cert: options.ClientCert = None,
    client_key: options.ClientKey = None,
) -> None:
    """Set up the aliases MODEL-k0, MODEL-k1, … ; `halospec run --model MODEL --knob alias` uses them."""
    with usage():
        wanted = parse_lengths(lengths)
        args = None
        if draft_args is not None or no_draft_args is not None:
            args = DraftArgs.given(draft_args, no_draft_args)
        settings = _settings(url, model, server, api_key, ca_bundle, insecure, client_cert, client_key)
    console = progress_console()

    def tell(words: str) -> None:
        console.print(words, markup=False, highlight=False)

    async def work(of: AliasServer, api: ServerApi) -> AliasesCreated:
        return await create_aliases(of, api, wanted, preset=preset, draft_args=args, load=load, tell=tell)

    with one_sentence(), _interruptible("what was begun has been undone as far as the server let it be"):
        created = anyio.run(_with_server, settings, None, work)
    if created.to_paste is not None:
        typer.echo(created.to_paste)
    else:
        loaded = "loaded" if created.loaded else "not loaded yet"
        typer.echo(f"{printable(', '.join(created.names.values()))} ({loaded})")
    for note in created.notes:
        typer.echo(printable(note), err=True)


@aliases.command()
def remove(
    url: Url,
    model: OfModel,
    preset: Preset = None,
    server: options.Server = "auto",
    api_key: options.ApiKey = None,
    ca_bundle: options.CaBundle = None,
    insecure: options.Insecure = False,
    client_cert: options.ClientCert = None,
    client_key: options.ClientKey = None,
) -> None:
    """Undo what `create` did."""
    with usage():
        settings = _settings(url, model, server, api_key, ca_bundle, insecure, client_cert, client_key)
    console = progress_console()

    def tell(words: str) -> None:
        console.print(words, markup=False, highlight=False)

    async def work(of: AliasServer, api: ServerApi) -> AliasesRemoved:
        return await remove_aliases(of, api, preset=preset, tell=tell)

    with one_sentence(), _interruptible("run the same command again to remove what is left"):
        removed = anyio.run(_with_server, settings, _remembered_server(url, model), work)
    typer.echo(
        f"Removed {printable(', '.join(removed.removed))}." if removed.removed else "There was nothing to remove."
    )
    for note in removed.notes:
        typer.echo(printable(note), err=True)
    if removed.left:
        raise typer.Exit(EXIT_FAILED)


def parse_lengths(text: str) -> tuple[int, ...]:
    """Read draft lengths such as ``0,1,2,4,8`` or ``0-8``.

    Raises
    ------
    ValueError
        If the text is something else.
    """
    lengths: set[int] = set()
    for part in text.split(","):
        match = _LENGTHS.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"--lengths: {text!r} is no list of draft lengths; write 0,1,2,4,8 or 0-8.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"--lengths: {part.strip()!r} runs backwards.")
        lengths.update(range(first, last + 1))
    return tuple(sorted(lengths))


def _settings(
    url: str,
    model: str,
    server: str,
    api_key: str | None,
    ca_bundle: Path | None,
    insecure: bool,
    client_cert: Path | None,
    client_key: Path | None,
) -> TargetSettings:
    return TargetSettings.model_validate(
        {
            "url": url,
            "model": model,
            "server": server,
            "api_key": api_key,
            "ca_bundle": ca_bundle,
            "insecure": insecure,
            "client_cert": client_cert,
            "client_key": client_key,
        }
    )


async def _with_server(
    settings: TargetSettings,
    remembered: AliasServer | None,
    work: Callable[[AliasServer, ServerApi], Awaitable[_Result]],
) -> _Result:
    server = remembered or await _found_server(settings)
    try:
        client = open_client(server.base_url, settings.connection, None)
    except ValueError as problem:
        raise AliasError(f"No request can be made: {problem}.") from problem
    async with client:
        return await work(server, ServerApi(client, server.base_url, api_key=settings.connection.api_key))


async def _found_server(settings: TargetSettings) -> AliasServer:
    found = await check_server(
        settings.url, model=settings.model, connection=settings.connection, server=settings.server
    )
    return AliasServer(found.kind.name, found.base_url, found.model)


def _remembered_server(url: str, model: str) -> AliasServer | None:
    """Return the server as it was when the aliases were created: it may be gone, or no longer list the model."""
    try:
        start = parse_url(url)
    except ValueError:
        return None
    return server_with_aliases(start, model)


@contextmanager
def _interruptible(what_then: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        fail(f"Interrupted; {what_then}.", EXIT_INTERRUPTED)
