"""Creating and removing aliases on whatever server it is, with everything undone that was begun."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import anyio

from halospec.aliases.errors import AliasError
from halospec.aliases.lemonade import create_lemonade_aliases, plan_lemonade_aliases
from halospec.aliases.lemonade_removal import remove_lemonade_aliases
from halospec.aliases.names import checked_lengths
from halospec.aliases.router import create_router_aliases, plan_router_aliases
from halospec.aliases.router_removal import remove_router_aliases, state_in_file
from halospec.aliases.state import (
    AliasState,
    RouterState,
    default_state_dir,
    read_state,
    remove_state,
    state_path,
    write_state,
)
from halospec.aliases.types import AliasesCreated, AliasesRemoved, AliasServer, Patience, Tell, tell_nobody
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.endpoints.types import EndpointError
from halospec.knobs.draft_args import DraftArgs

LLAMA_SERVER = "llama_server"
LEMONADE = "lemonade"


async def create_aliases(
    server: AliasServer,
    api: ServerApi,
    lengths: Iterable[int],
    *,
    preset: Path | None = None,
    draft_args: DraftArgs | None = None,
    load: bool = True,
    state_dir: Path | None = None,
    patience: Patience | None = None,
    tell: Tell = tell_nobody,
) -> AliasesCreated:
    """Set up one alias a draft length, or leave everything as it was.

    What has to be put back is written to a file before the first change, so that `remove_aliases` can put it back even
    if this process is killed half-way.

    Parameters
    ----------
    preset
        The file that llama-server's router was given with ``--models-preset``. Without it nothing is changed there, and
        the result has the sections to paste.
    draft_args
        What sets k on a server's command line; the default speculates with the model's draft model.
    load
        Whether to load the aliases and wait for them.
    state_dir
        Where it is written down what has to be put back.

    Raises
    ------
    AliasError
        If they cannot be created; all that was begun has been undone, or the message says what has not.
    """
    rising = checked_lengths(lengths)
    keeping = state_path(state_dir or default_state_dir(), server.base_url, server.model)
    patience = patience or Patience()
    if read_state(keeping) is not None:
        raise AliasError(
            f"There are aliases of {shown(server.model)} at {server.base_url} already, or what is left of them;"
            " run `halospec aliases remove` first."
        )
    try:
        if server.kind == LLAMA_SERVER:
            router_plan = await plan_router_aliases(
                server, api, rising, preset=preset, draft_args=draft_args, patience=patience
            )
            if router_plan.state is None:
                return router_plan.created(loaded=False)
            undertaking = _Undertaking(router_plan.state, keeping, api, patience, tell)
            path = router_plan.state.preset
            return await undertaking.carry_out(
                lambda: create_router_aliases(router_plan, path, api, load=load, patience=patience, tell=tell)
            )
        if server.kind == LEMONADE:
            plan = await plan_lemonade_aliases(server, api, rising, draft_args=draft_args, patience=patience)
            undertaking = _Undertaking(plan.state, keeping, api, patience, tell)
            return await undertaking.carry_out(
                lambda: create_lemonade_aliases(plan, api, load=load, patience=patience, tell=tell)
            )
    except EndpointError as fault:
        raise AliasError(fault.reason) from fault
    raise AliasError(
        "Aliases can be set up on llama-server's router and on Lemonade; the server at"
        f" {server.base_url} is neither (it is taken for {server.kind!r}; --server says otherwise)."
    )


def server_with_aliases(url: str, model: str, *, state_dir: Path | None = None) -> AliasServer | None:
    """Return the server on which aliases of a model were set up, by what was written down; None if none were.

    It need not answer, nor list the model any more, for them to be removed.

    Raises
    ------
    AliasError
        If what was written down cannot be read.
    """
    state = read_state(state_path(state_dir or default_state_dir(), url, model))
    return None if state is None else AliasServer(state.kind, state.base_url, state.model)


async def remove_aliases(
    server: AliasServer,
    api: ServerApi,
    *,
    preset: Path | None = None,
    state_dir: Path | None = None,
    patience: Patience | None = None,
    tell: Tell = tell_nobody,
) -> AliasesRemoved:
    """Undo all that `create_aliases` did for a model of a server; it may have been killed half-way, and so may this.

    Parameters
    ----------
    preset
        Where to look for aliases of which nothing is written down, such as pasted ones.

    Raises
    ------
    AliasError
        If not everything could be undone.
    """
    keeping = state_path(state_dir or default_state_dir(), server.base_url, server.model)
    patience = patience or Patience()
    try:
        state = read_state(keeping)
        if state is None and preset is not None and server.kind == LLAMA_SERVER:
            state = state_in_file(server.base_url, server.model, preset)
        if state is None:
            return AliasesRemoved(server.model)
        return await _undo(state, keeping, api, patience, tell)
    except EndpointError as fault:
        raise AliasError(fault.reason) from fault


@dataclass(frozen=True)
class _Undertaking:
    state: AliasState
    keeping: Path
    api: ServerApi
    patience: Patience
    tell: Tell

    async def carry_out(self, work: Callable[[], Awaitable[AliasesCreated]]) -> AliasesCreated:
        """Do something that `_undo` undoes, and undo it if it fails or is cancelled."""
        write_state(self.keeping, self.state)
        try:
            return await work()
        except (AliasError, EndpointError) as fault:
            problem = await self._undo_whatever_happens()
            then = f"it could not all be undone ({problem})" if problem else "what was begun has been undone"
            raise AliasError(f"{str(fault).removesuffix('.')}; {then}.") from fault
        except BaseException:
            if problem := await self._undo_whatever_happens():
                self.tell(problem)
            raise

    async def _undo_whatever_happens(self) -> str | None:
        """Undo it all, and return what is in the way if something is."""
        problem: str | None = f"the server took longer than {self.patience.undo_s:g} s"
        with anyio.move_on_after(self.patience.undo_s, shield=True):
            try:
                removed = await _undo(self.state, self.keeping, self.api, self.patience, self.tell)
                problem = " ".join(removed.notes) if removed.left else None
            except (AliasError, EndpointError) as fault:
                problem = str(fault)
        if problem is None:
            return None
        return f"{problem.removesuffix('.')}; run `halospec aliases remove` to try again"


async def _undo(state: AliasState, keeping: Path, api: ServerApi, patience: Patience, tell: Tell) -> AliasesRemoved:
    if isinstance(state, RouterState):
        removed = await remove_router_aliases(state, api, patience=patience, tell=tell)
    else:
        removed = await remove_lemonade_aliases(state, api, patience=patience, tell=tell)
    if not removed.left:
        remove_state(keeping)
    return removed
