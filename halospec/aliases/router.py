"""Aliases on llama-server's router: a section for each in its preset file, which it is asked to read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from halospec.aliases.errors import AliasError
from halospec.aliases.names import alias_name, alias_template
from halospec.aliases.options import Option, with_draft_length
from halospec.aliases.preset_file import (
    absolute,
    add_block,
    can_hold,
    marked,
    names_in_block,
    read_preset_file,
    section_names,
    sections_text,
)
from halospec.aliases.router_models import RouterListing, RouterModels
from halospec.aliases.state import RouterState
from halospec.aliases.types import AliasesCreated, AliasServer, Patience, Tell
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.model_alias import name_on_router

# Honoured only when the router starts, which must not come up with every alias in memory.
_NOT_FOR_ALIASES = frozenset({"load-on-startup"})


@dataclass(frozen=True)
class RouterPlan:
    """What is to be done; nothing has been changed yet.

    Attributes
    ----------
    shared
        The options that every alias has from the model.
    sections
        All options of each alias, by its name.
    own_arguments
        Whether the user said how to speculate, in whatever spelling.
    state
        What has to be undone afterwards; None where no preset file was named.
    """

    server: AliasServer
    template: str
    names: Mapping[int, str]
    shared: tuple[Option, ...]
    sections: Mapping[str, tuple[Option, ...]]
    own_arguments: bool
    state: RouterState | None
    notes: tuple[str, ...]

    def created(self, *, loaded: bool) -> AliasesCreated:
        """Return what there is once the plan is carried out, or what to paste where it cannot be."""
        return AliasesCreated(
            model=self.server.model,
            names=self.names,
            template=self.template,
            loaded=loaded,
            to_paste=marked(self.server.model, sections_text(self.sections)) if self.state is None else None,
            notes=self.notes,
        )


async def plan_router_aliases(
    server: AliasServer,
    api: ServerApi,
    lengths: Sequence[int],
    *,
    preset: Path | None,
    draft_args: DraftArgs | None,
    patience: Patience,
) -> RouterPlan:
    """Look at the router and the preset file, and say what to do.

    Raises
    ------
    AliasError
        If it cannot be done.
    EndpointError
        If the server gives no answer.
    """
    router = RouterModels(api, patience)
    props = await router.props()
    if props.role != "router":
        raise AliasError(
            f"The llama-server at {server.base_url} serves one model; start it as a router for aliases: llama-server"
            f" --models-preset FILE.ini --models-max {len(lengths)}, with the model in a section of FILE.ini."
        )
    listing = await router.listed()
    model = listing.find(server.model)
    if model is None:
        raise AliasError(f"The router at {server.base_url} has no model {shown(server.model)!r}.")
    template = alias_template(name_on_router(server.model))
    names = {k: alias_name(template, k) for k in lengths}
    _refuse_taken(server, names.values(), listing)
    base = [option for option in model.options if option.key not in _NOT_FOR_ALIASES and not option.is_secret]
    return RouterPlan(
        server=server,
        template=template,
        names=names,
        shared=tuple(option for option in base if not option.is_speculative),
        sections={name: with_draft_length(base, k, draft_args) for k, name in names.items()},
        own_arguments=draft_args is not None,
        state=None if preset is None else _state(server, tuple(names.values()), preset),
        notes=_notes_on_room(server, listing, props.max_instances or 0, len(lengths), refuse=preset is not None),
    )


async def create_router_aliases(
    plan: RouterPlan, preset: Path, api: ServerApi, *, load: bool, patience: Patience, tell: Tell
) -> AliasesCreated:
    """Write the sections, make the router read them, and load the aliases.

    Raises
    ------
    AliasError, EndpointError
        If something goes wrong on the way; what was done is still there, for `remove_router_aliases`.
    """
    router = RouterModels(api, patience)
    add_block(preset, plan.server.model, sections_text(plan.sections))
    listing = await router.listed_anew()
    if missing := [name for name in plan.sections if listing.find(name) is None]:
        raise AliasError(
            f"The router at {plan.server.base_url} does not read {preset}: it has no {shown(missing[0])!r} after a"
            " reload; give --preset the file that its --models-preset names."
        )
    _refuse_misunderstood(plan, listing)
    if load:
        for number, name in enumerate(plan.sections, start=1):
            tell(f"loading {name} ({number} of {len(plan.sections)})")
            await router.load(name)
        listing = await router.listed()
        for name in plan.sections:
            model = listing.find(name)
            if model is None or not model.is_in_memory:
                raise AliasError(
                    f"{shown(name)} was unloaded again while the others were loaded; give the router more room"
                    " (--models-max, memory)."
                )
    return plan.created(loaded=load)


def _refuse_taken(server: AliasServer, names: Iterable[str], listing: RouterListing) -> None:
    if clash := [name for name in names if name in listing.taken]:
        raise AliasError(
            f"The router at {server.base_url} has a model {shown(clash[0])!r} already; run `halospec aliases remove` if"
            " it is left from before, or rename it."
        )


def _notes_on_room(
    server: AliasServer, listing: RouterListing, room: int, wanted: int, *, refuse: bool
) -> tuple[str, ...]:
    if 0 < room < wanted:
        problem = (
            f"The router at {server.base_url} holds {room} models at once, and {wanted} aliases are wanted; start it"
            f" with --models-max {wanted} or more."
        )
        if refuse:
            raise AliasError(problem)
        return (problem,)
    others = sum(model.is_running for model in listing.data)
    if 0 < room < wanted + max(1, others):
        return (
            f"The router holds {room} models at once: {wanted} aliases displace others, and a request for another may"
            " displace an alias.",
        )
    return ()


def _state(server: AliasServer, names: tuple[str, ...], preset: Path) -> RouterState:
    """Return what has to be undone, after making sure that the file has room for it."""
    path = absolute(preset)
    content = read_preset_file(path)
    if names_in_block(content, server.model) is not None:
        raise AliasError(f"{path} holds aliases of {shown(server.model)} already; run `halospec aliases remove` first.")
    if clash := sorted(section_names(content) & set(names)):
        raise AliasError(f"{path} has a section [{shown(clash[0])}] of its own already; rename it.")
    return RouterState(base_url=server.base_url, model=server.model, names=names, preset=path)


def _refuse_misunderstood(plan: RouterPlan, listing: RouterListing) -> None:
    """Make sure that the router is going to run each alias as it was written, and no two of them alike.

    Its own command line goes before its preset file: a router started with ``--spec-draft-n-max 4`` runs every alias
    with 4.
    """
    seen = {name: _options_by_key(listing, name) for name in plan.sections}
    for name, options in plan.sections.items():
        wanted = {option.key: option.values[0] if option.values else "true" for option in options}
        if not plan.own_arguments:
            wanted |= {option.key: option.values[0] for option in plan.shared}
        for key, value in wanted.items():
            # Among the user's own arguments a key may be missing because the router has another spelling for it.
            got = seen[name].get(key, value if plan.own_arguments else "")
            if got != value and not can_hold(value):
                raise AliasError(
                    f"{shown(name)} needs {shown(key)} = {shown(value)!r}, which a preset file cannot hold, since ';'"
                    " and '#' begin a comment there; give it another name."
                )
            if got != value:
                raise AliasError(
                    f"The router runs {shown(name)} with {shown(key)} = {shown(got)!r} where {shown(value)!r} is meant;"
                    " its own command line goes before its preset file, so start it without that option."
                )
    first_of: dict[frozenset[tuple[str, str]], str] = {}
    for name, understood in seen.items():
        twin = first_of.setdefault(frozenset(understood.items()), name)
        if twin != name:
            raise AliasError(
                f"The router runs {shown(twin)} and {shown(name)} alike; its own command line goes before its preset"
                " file, so start it without options that set speculation."
            )


def _options_by_key(listing: RouterListing, name: str) -> dict[str, str]:
    model = listing.find(name)
    return {} if model is None else {option.key: option.values[0] for option in model.options}
