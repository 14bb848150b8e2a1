"""The server that comes with HaloSpec: k is a field of the request, and every round is reported (docs/api.md)."""

from __future__ import annotations

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.failures import shown
from halospec.endpoints.server_kind import Recognition, ServerKind, SpeculationFacts
from halospec.endpoints.wire import ListedModel, ModelList

_OWNER = "halospec"


class Bundled(ServerKind):
    """``halospec serve``."""

    name = "bundled"
    title = "HaloSpec's bundled server"
    default_urls = ("http://127.0.0.1:8123",)
    dialect = Dialect(ignore_eos=True, cache_prompt=True)
    request_fields = ("draft_length",)
    advice = (
        "Start it with `halospec serve`; k is the request's draft_length (`--knob draft_length`)."
        " A server started with `--drafter none` has nothing to draft with, and `--drafter model` switches that on."
    )

    async def recognise(self, api: ServerApi, models: tuple[ListedModel, ...]) -> Recognition | None:  # noqa: ARG002
        """Look for what only this server lists: what exactly it has loaded, as target and drafter."""
        for listed in models:
            if listed.owned_by == _OWNER and listed.meta and listed.meta.target and listed.meta.drafter:
                return Recognition(f"/models lists {shown(listed.id)} with its target and its drafter")
        return None

    async def speculation(self, api: ServerApi, model: str) -> SpeculationFacts:
        """Read the drafter and the default draft length out of the model list."""
        listing = await api.find("models", ModelList, key_matters=True)
        listed = next((one for one in listing.data if one.id == model), None) if listing else None
        if listed is None or listed.meta is None or listed.meta.drafter is None:
            return SpeculationFacts()
        drafter, length = listed.meta.drafter, listed.meta.draft_length
        if drafter == "none":
            return SpeculationFacts(configured=False, says="/models: the drafter is none")
        rule = "chosen by a rule of the server" if length is None else str(length)
        return SpeculationFacts(
            configured=True,
            says=f"/models: the drafter is {shown(drafter)}, and the draft length {rule} unless a request names one",
            draft_length=length,
        )


BUNDLED = Bundled()
