"""Any other server with OpenAI's chat completions: vLLM, SGLang, LM Studio, Ollama and those nobody has heard of."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import FIELDS_TO_TRY, Dialect
from halospec.endpoints.failures import shown
from halospec.endpoints.server_kind import Recognition, ServerKind, SpeculationFacts
from halospec.endpoints.spec_counters import read_spec_counters
from halospec.endpoints.wire import ListedModel

# Both know these fields and ignore those they do not know; both take a repetition penalty from the model's own
# generation_config.json unless a request names one.
_GPU_DIALECT = Dialect(ignore_eos=True, extra_fields={"repetition_penalty": 1.0})
_VLLM_METRICS = "# TYPE vllm:"


@dataclass(frozen=True)
class _Product:
    title: str
    version_page: str | None = None
    dialect: Dialect | None = None


# By the owner that each writes into its model list.
_PRODUCTS = {
    "vllm": _Product("vLLM", "/version", _GPU_DIALECT),
    "sglang": _Product("SGLang", "/server_info", _GPU_DIALECT),
    "organization_owner": _Product("LM Studio"),
}
_OLLAMA_GREETING = "Ollama is running"
_OLLAMA = _Product("Ollama", "/api/version")


class _Version(BaseModel):
    version: str


class _SglangArguments(BaseModel):
    """Of SGLang's ``/server_info``, the arguments that it was started with."""

    speculative_algorithm: str | None
    speculative_num_steps: int | None = None


class OpenAI(ServerKind):
    """What is no other kind."""

    name = "openai"
    title = "OpenAI-compatible server"
    default_urls = ()
    dialect = Dialect()
    request_fields = FIELDS_TO_TRY
    advice = (
        "vLLM and SGLang take a draft length only when they start (vllm serve --speculative-config with"
        " num_speculative_tokens, sglang's --speculative-num-steps)."
        " Let HaloSpec start such a server anew for each k with `--knob restart`, `--server-command` and"
        " `--draft-args`; if your server reads k from a field of the request, name that with `--knob field:NAME`."
    )

    async def recognise(self, api: ServerApi, models: tuple[ListedModel, ...]) -> Recognition:
        """Say which product this is, as far as it can be known."""
        for listed in models:
            if listed.owned_by in _PRODUCTS:
                return await _recognised(api, _PRODUCTS[listed.owned_by], f"/models is owned by {listed.owned_by}")
        greeting = await api.find_text("/")
        if greeting is not None and greeting.strip() == _OLLAMA_GREETING:
            return await _recognised(api, _OLLAMA, f'/ says "{_OLLAMA_GREETING}"')
        return Recognition("none of the pages by which other kinds are known")

    async def speculation(self, api: ServerApi, model: str) -> SpeculationFacts:
        """Ask the two products that say something: SGLang its arguments, vLLM whether it counts drafts."""
        arguments = await api.find("/server_info", _SglangArguments)
        if arguments is not None:
            algorithm, steps = arguments.speculative_algorithm, arguments.speculative_num_steps
            if algorithm is None:
                return SpeculationFacts(configured=False, says="/server_info: speculative_algorithm is null")
            return SpeculationFacts(
                configured=True,
                says=f"/server_info: speculative_algorithm is {shown(algorithm)}, speculative_num_steps {steps}",
                draft_length=steps,
            )
        metrics = await api.find_text("/metrics")
        if metrics is None or _VLLM_METRICS not in metrics:
            return SpeculationFacts()
        # vLLM has these counters only if it was started with a speculative configuration.
        counts = await read_spec_counters(api, model) is not None
        return SpeculationFacts(configured=counts, says=f"/metrics counts {'drafts' if counts else 'no drafts'}")


async def _recognised(api: ServerApi, product: _Product, evidence: str) -> Recognition:
    answered = None if product.version_page is None else await api.find(product.version_page, _Version)
    version = None if answered is None else shown(answered.version)
    return Recognition(evidence, version=version, product=product.title, dialect=product.dialect)


OPENAI = OpenAI()
