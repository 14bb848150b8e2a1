"""Taking aliases off llama-server's router again."""

from __future__ import annotations

from pathlib import Path

from halospec.aliases.errors import AliasError
from halospec.aliases.preset_file import absolute, names_in_block, read_preset_file, remove_block
from halospec.aliases.router_models import RouterModels
from halospec.aliases.state import RouterState
from halospec.aliases.types import AliasesRemoved, Patience, Tell
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.endpoints.types import EndpointError


async def remove_router_aliases(
    state: RouterState, api: ServerApi, *, patience: Patience, tell: Tell
) -> AliasesRemoved:
    """Unload the aliases, cut their sections out of the preset file, and make the router read it.

    What has been done already is passed over. The file is mended even if the router cannot be reached.

    Raises
    ------
    AliasError
        If the file cannot be mended, or the router cannot be told.
    """
    router = RouterModels(api, patience)
    unreachable = None
    try:
        for name in state.names:
            tell(f"removing {name}")
            await router.unload(name)
    except EndpointError as fault:
        unreachable = fault
    remove_block(state.preset, state.model)
    try:
        if unreachable is not None:
            raise unreachable
        listing = await router.listed_anew()
    except EndpointError as fault:
        raise AliasError(
            f"The aliases of {shown(state.model)} are out of {state.preset}, but the router has them until it is told"
            f" or started again ({fault.reason.removesuffix('.')})."
        ) from fault
    left = tuple(name for name in state.names if listing.find(name) is not None)
    gone = tuple(name for name in state.names if name not in left)
    notes = tuple(f"The router still lists {shown(name)}, which is not in {state.preset} now." for name in left)
    return AliasesRemoved(state.model, gone, left, notes)


def state_in_file(base_url: str, model: str, preset: Path) -> RouterState | None:
    """Return what a preset file alone says of a model's aliases; None if it has none of ours.

    Raises
    ------
    AliasError
        If the file cannot be read.
    """
    path = absolute(preset)
    names = names_in_block(read_preset_file(path), model)
    if names is None:
        return None
    return RouterState(base_url=base_url, model=model, names=tuple(sorted(names)), preset=path)
