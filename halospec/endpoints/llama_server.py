"""llama.cpp's own server: one model, or a router that keeps several and passes requests on by the model's name."""

from __future__ import annotations

from pydantic import BaseModel, Field, RootModel

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import FIELDS_TO_TRY, LLAMA_CPP
from halospec.endpoints.failures import shown
from halospec.endpoints.launch_arguments import speculation_of
from halospec.endpoints.server_kind import Recognition, ServerKind, SpeculationFacts
from halospec.endpoints.wire import ListedModel, ModelList

_OWNER = "llamacpp"
_ROUTER = "router"
_LOADED = "loaded"


class _Props(BaseModel):
    """``/props``; only a router names its role."""

    build_info: str
    default_generation_settings: dict[str, object]
    role: str | None = None


class _SlotParams(BaseModel):
    types: str = Field(default="", alias="speculative.types")


class _Slot(BaseModel):
    """One of ``/slots``; the parameters are those of its latest request."""

    speculative: bool
    params: _SlotParams = _SlotParams()


class _Slots(RootModel[tuple[_Slot, ...]]):
    pass


class LlamaServer(ServerKind):
    """``llama-server``."""

    name = "llama_server"
    title = "llama-server"
    default_urls = ("http://127.0.0.1:8080",)
    dialect = LLAMA_CPP
    request_fields = FIELDS_TO_TRY
    advice = (
        "llama-server drafts only with both -md DRAFT.gguf and --spec-type draft-simple, and it ignores a draft length"
        " that comes with a request."
        " Let HaloSpec start it anew for each k, with `--knob restart --server-command"
        ' "llama-server -m TARGET.gguf -md DRAFT.gguf --port {port} {draft_args}"`, or keep one alias for each k in its'
        " router (llama-server --models-preset FILE.ini --models-max 12): `halospec aliases create` writes them,"
        " `--knob alias` uses them."
    )

    async def recognise(self, api: ServerApi, models: tuple[ListedModel, ...]) -> Recognition | None:
        """Look for its ``/props``; behind a proxy that hides them, its name in the model list has to do."""
        owned = any(listed.owned_by == _OWNER for listed in models)
        props = await api.find("/props", _Props, key_matters=owned)
        if props is not None:
            build = shown(props.build_info)
            role = "a router of build" if props.role == _ROUTER else "build"
            return Recognition(f"/props names {role} {build}", version=build)
        return Recognition(f"/models is owned by {_OWNER}") if owned else None

    async def loaded_model(self, api: ServerApi, models: tuple[ListedModel, ...]) -> str | None:  # noqa: ARG002
        """Return the first that a router has loaded: it would load another one on request, and may drop one for it."""
        return next((listed.id for listed in models if listed.status and listed.status.value == _LOADED), None)

    async def speculation(self, api: ServerApi, model: str) -> SpeculationFacts:
        """Ask ``/slots``: ``/props`` says that nothing drafts even while it does. A router shows its arguments too."""
        props = await api.find("/props", _Props, key_matters=True)
        if props is not None and props.role == _ROUTER:
            return await self._in_router(api, model)
        return await self._of_slots(api)

    async def _in_router(self, api: ServerApi, model: str) -> SpeculationFacts:
        listing = await api.find("models", ModelList, key_matters=True)
        listed = (
            next((one for one in listing.data if model in (one.id, *(one.aliases or ()))), None) if listing else None
        )
        if listed is None or listed.status is None or listed.status.args is None:
            return SpeculationFacts(is_router=True)
        started = speculation_of(listed.status.args)
        # Asked of a model that is not loaded, a router would load it.
        slots = await self._of_slots(api, model) if listed.status.value == _LOADED else SpeculationFacts()
        says = f"/models: {shown(listed.id)} is {shown(started.says)}"
        return SpeculationFacts(
            configured=started.configured if slots.configured is None else slots.configured,
            says=f"{says}; {slots.says}" if slots.says else says,
            draft_length=started.draft_length,
            is_router=True,
        )

    async def _of_slots(self, api: ServerApi, model: str | None = None) -> SpeculationFacts:
        query = None if model is None else {"model": model, "autoload": "false"}
        slots = await api.find("/slots", _Slots, query, key_matters=True)
        if slots is None or not slots.root:
            return SpeculationFacts()
        speculative = any(slot.speculative for slot in slots.root)
        types = {kind for slot in slots.root for kind in slot.params.types.split(",")} - {"", "none"}
        named = f" ({shown(', '.join(sorted(types)))})" if speculative and types else ""
        return SpeculationFacts(
            configured=speculative, says=f"/slots: speculative is {str(speculative).lower()}{named}"
        )


LLAMA_SERVER = LlamaServer()
