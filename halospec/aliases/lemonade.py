"""Aliases on Lemonade: the model registered once more for each draft length, with arguments of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from halospec.aliases.errors import AliasError
from halospec.aliases.lemonade_models import UNLIMITED, LemonadeModels, RunOptions, forms_of
from halospec.aliases.names import alias_name, alias_template
from halospec.aliases.options import Option, split_options, with_draft_length
from halospec.aliases.state import Definition, LemonadeState, RegisteredAlias
from halospec.aliases.types import AliasesCreated, AliasServer, Patience, Tell
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.lemonade_models import LLAMACPP, ModelDescription, bare_name

_FILES = ("local_path", "extra_models_dir")
_CUSTOM = "custom"
"""A label that Lemonade itself puts on what is registered."""


@dataclass(frozen=True)
class PlannedAlias:
    """One alias that is to be: its registration, and the arguments that set its k."""

    registered: RegisteredAlias
    arguments: tuple[Option, ...]


@dataclass(frozen=True)
class LemonadePlan:
    """What is to be done; nothing has been changed yet."""

    server: AliasServer
    by_length: Mapping[int, PlannedAlias]
    base: RunOptions
    state: LemonadeState


async def plan_lemonade_aliases(
    server: AliasServer,
    api: ServerApi,
    lengths: Sequence[int],
    *,
    draft_args: DraftArgs | None,
    patience: Patience,
) -> LemonadePlan:
    """Look at the model and at what is in memory, and say what to do.

    Raises
    ------
    AliasError
        If it cannot be done.
    EndpointError
        If the server gives no answer.
    """
    lemonade = LemonadeModels(api, patience)
    model = await lemonade.model(server.model)
    _refuse_unsuitable(model)
    base = await lemonade.options(server.model)
    template = f"user.{alias_template(bare_name(server.model))}"
    by_length = {
        k: PlannedAlias(
            RegisteredAlias(name=alias_name(template, k), definition=_definition(model, k)),
            with_draft_length(base.arguments, k, draft_args, own_way=model.speculation_type),
        )
        for k in lengths
    }
    names = [planned.registered.name for planned in by_length.values()]
    taken = await lemonade.listed()
    if clash := [form for name in names for form in forms_of(name) if form in taken]:
        raise AliasError(
            f"Lemonade has a model {shown(clash[0])!r} already; run `halospec aliases remove` if it is left from"
            " before, or rename it."
        )
    residents = await lemonade.residents()
    needed = len(residents.language_models) + len(lengths)
    is_enough = residents.limit == UNLIMITED or residents.limit >= needed
    state = LemonadeState(
        base_url=server.base_url,
        model=server.model,
        aliases=tuple(planned.registered for planned in by_length.values()),
        limit_before=None if is_enough else residents.limit,
        limit_set=None if is_enough else needed,
    )
    return LemonadePlan(server, by_length, base, state)


async def create_lemonade_aliases(
    plan: LemonadePlan, api: ServerApi, *, load: bool, patience: Patience, tell: Tell
) -> AliasesCreated:
    """Make room, register the aliases, and load them.

    Raises
    ------
    AliasError, EndpointError
        If something goes wrong on the way; what was done is still there, for `remove_lemonade_aliases`.
    """
    lemonade = LemonadeModels(api, patience)
    if plan.state.limit_set is not None:
        await lemonade.set_limit(plan.state.limit_set)
    listed: dict[int, str] = {}
    for k, planned in plan.by_length.items():
        name = planned.registered.name
        listed[k] = await lemonade.register(name, planned.registered.definition)
        if not (await lemonade.model(name)).downloaded:
            # To load it would be to download it, or to look for it in vain.
            raise AliasError(f"Lemonade does not find the files of {shown(plan.server.model)} for {shown(name)}.")
        options = await lemonade.run_with(name, planned.arguments, plan.base)
        _refuse_other(name, planned.arguments, options.arguments)
    if load:
        for number, planned in enumerate(plan.by_length.values(), start=1):
            tell(f"loading {planned.registered.name} ({number} of {len(plan.by_length)})")
            await lemonade.load(planned.registered.name)
        await _refuse_unloaded(plan, lemonade)
    # One name of another form would not fit the template; the full names are always understood.
    templates = {name.removesuffix(str(k)) for k, name in listed.items()}
    if len(templates) > 1:
        listed = {k: planned.registered.name for k, planned in plan.by_length.items()}
        templates = {name.removesuffix(str(k)) for k, name in listed.items()}
    notes: tuple[str, ...] = ()
    if plan.state.limit_set is not None:
        notes = (
            f"Lemonade's max_loaded_models was {plan.state.limit_before} and is {plan.state.limit_set} until the"
            " aliases are removed.",
        )
    return AliasesCreated(
        model=plan.server.model, names=listed, template=templates.pop() + "{k}", loaded=load, notes=notes
    )


def _refuse_unsuitable(model: ModelDescription) -> None:
    name = shown(model.id)
    if model.recipe != LLAMACPP:
        raise AliasError(f"{name} runs with {shown(model.recipe)!r}, not with llama.cpp, which alone speculates here.")
    if not model.downloaded or not model.checkpoints.get("main"):
        raise AliasError(f"{name} has no files here yet; pull it in Lemonade first.")
    path = model.checkpoints["main"]
    if model.source in (*_FILES, "local_upload") and "gguf" in path.lower() and ":" not in path:
        raise AliasError(
            f"Lemonade refuses to register the file {shown(path)} once more, since its path has 'gguf' in it; make"
            " links to it and to a draft whose paths have not, register a model with them (POST models/register with"
            ' "checkpoints": {"main": …, "draft": …}, "source": "local_path"), and name that one with --model.'
        )


def _definition(model: ModelDescription, draft_length: int) -> Definition:
    # Lemonade hands the draft to llama-server whenever there is one, which then loads it in vain.
    roles = {role: place for role, place in model.checkpoints.items() if draft_length > 0 or role != "draft"}
    return Definition(
        recipe=model.recipe,
        checkpoints=roles,
        source=_FILES[0] if model.source in _FILES else model.source,
        labels=tuple(label for label in model.labels if label != _CUSTOM),
    )


async def _refuse_unloaded(plan: LemonadePlan, lemonade: LemonadeModels) -> None:
    residents = await lemonade.residents()
    for planned in plan.by_length.values():
        name = planned.registered.name
        loaded = residents.find(name)
        if loaded is None:
            raise AliasError(
                f"{shown(name)} was unloaded again while the others were loaded; there may be too little memory."
            )
        if loaded.launch_command:
            _refuse_other(name, planned.arguments, split_options(loaded.launch_command[1:]))


def _refuse_other(name: str, wanted: Sequence[Option], got: Sequence[Option]) -> None:
    """Make sure that an alias runs, or is going to run, with its arguments."""
    last = {option.key: option for option in got}
    for key, option in {option.key: option for option in wanted}.items():
        if last.get(key) != option:
            said = " ".join((option.flag, *option.values))
            raise AliasError(f"Lemonade does not run {shown(name)} with {shown(said)!r}, which sets its draft length.")
