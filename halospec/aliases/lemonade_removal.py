"""Taking aliases off Lemonade again without touching the files that they share with the user's own model.

Lemonade cannot unregister a model. ``POST /delete`` removes the entry *and the files*: the whole folder of the model's
hub repository, or at least the file of its variant when other models share the repository
(``ModelManager::delete_model`` in 11.7.0). An alias leads to the very files of the model that it was made from, so it
must never be deleted as it is.

What is safe: register the alias anew with a place on the hub that does not exist. What it leads to is then a folder of
the cache that is not there, a deletion finds nothing to delete, and the entry goes. Lemonade itself is asked first
(``GET /models/{id}/files`` lists the very paths that a deletion goes by); if any of them exists, or the answer is not
exactly the expected one, nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping

from halospec.aliases.errors import AliasError
from halospec.aliases.lemonade_models import LemonadeModels, forms_of
from halospec.aliases.state import Definition, LemonadeState, RegisteredAlias
from halospec.aliases.types import AliasesRemoved, Patience, Tell
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.endpoints.types import EndpointError
from halospec.knobs.lemonade_models import ModelDescription

_NOWHERE = Definition(recipe="llamacpp", checkpoints={"main": "halospec/removed-alias:none"}, source="huggingface")
_FOLDER = "models--halospec--removed-alias"


async def remove_lemonade_aliases(
    state: LemonadeState, api: ServerApi, *, patience: Patience, tell: Tell
) -> AliasesRemoved:
    """Remove what was registered and put the limit back; what has been done already is passed over.

    Raises
    ------
    AliasError, EndpointError
        If the server cannot be asked or told.
    """
    lemonade = LemonadeModels(api, patience)
    removed: list[str] = []
    kept: dict[str, str] = {}
    notes: list[str] = []
    for alias in state.aliases:
        entry = _entry(alias, await lemonade.listed())
        if entry is None:
            removed.append(alias.name)
            continue
        if entry.checkpoints not in (alias.definition.checkpoints, _NOWHERE.checkpoints):
            notes.append(f"{shown(alias.name)} stands for another model now and was left alone.")
            continue
        tell(f"removing {alias.name}")
        await lemonade.unload(alias.name)
        await lemonade.reset_options(alias.name)
        obstacle = await _delete(alias.name, lemonade)
        if obstacle is None:
            removed.append(alias.name)
        else:
            kept[alias.name] = obstacle
    if kept:
        entries = ", ".join(shown(name).removeprefix("user.") for name in kept)
        notes.append(
            f"Not deleted, lest Lemonade delete model files too ({next(iter(kept.values())).removesuffix('.')}): take"
            f" {entries} out of Lemonade's user_models.json by hand, then run `halospec aliases remove` again."
        )
    notes += await _limit_put_back(state, lemonade)
    return AliasesRemoved(state.model, tuple(removed), tuple(kept), tuple(notes))


def _entry(alias: RegisteredAlias, listed: Mapping[str, ModelDescription]) -> ModelDescription | None:
    return next((listed[form] for form in forms_of(alias.name) if form in listed), None)


async def _delete(name: str, lemonade: LemonadeModels) -> str | None:
    """Delete an alias if that is safe; return why it is still there if it is."""
    try:
        await lemonade.register(name, _NOWHERE)
        if not await _leads_nowhere(name, lemonade):
            return "it does not say that the entry leads to no file"
        await lemonade.delete(name)
    except (AliasError, EndpointError) as fault:
        obstacle = str(fault)
    else:
        obstacle = "it still lists the entry"
    listed = await lemonade.listed()
    return obstacle if any(form in listed for form in forms_of(name)) else None


async def _leads_nowhere(name: str, lemonade: LemonadeModels) -> bool:
    model = await lemonade.model(name)
    files = await lemonade.files(name)
    return (
        model.id in forms_of(name)
        and model.checkpoints == _NOWHERE.checkpoints
        and model.source == _NOWHERE.source
        and not model.downloaded
        and all(file.name == _FOLDER and not file.exists for file in files)
    )


async def _limit_put_back(state: LemonadeState, lemonade: LemonadeModels) -> list[str]:
    if state.limit_set is None or state.limit_before is None:
        return []
    now = (await lemonade.residents()).limit
    if now == state.limit_set:
        await lemonade.set_limit(state.limit_before)
        return []
    if now == state.limit_before:
        return []
    return [f"max_loaded_models is {now} now, neither what it was nor what it was set to, and was left at that."]
