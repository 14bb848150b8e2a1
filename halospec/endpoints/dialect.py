"""What a kind of server understands beyond OpenAI's API, and what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True)
class Dialect:
    """How chat requests are spelled for a kind of server, and how its silence is read.

    The default is for a server of which nothing is known: OpenAI's fields alone, since a strict server refuses others.

    Attributes
    ----------
    ignore_eos, cache_prompt, timings_per_token
        Whether the server knows the field of that name.
    stream_options
        Whether ``stream_options.include_usage`` may be sent.
    extra_fields
        Sent with every request, so that greedy decoding is plain argmax there as everywhere else.
    zero_drafts_left_out
        Whether ``timings`` without ``draft_n`` mean that nothing was drafted (llama-server), rather than nothing said.
    """

    ignore_eos: bool = False
    cache_prompt: bool = False
    timings_per_token: bool = False
    stream_options: bool = True
    extra_fields: Mapping[str, JsonValue] = field(default_factory=dict)
    zero_drafts_left_out: bool = False


LLAMA_CPP = Dialect(ignore_eos=True, cache_prompt=True, timings_per_token=True, zero_drafts_left_out=True)
"""llama-server's, and that of whoever passes requests on to it."""

FIELDS_TO_TRY = ("draft_length", "speculative.n_max", "$.speculative.n_max", "speculative_draft_length")
"""Request fields in which servers are sent a k, as halospec.knobs spells them: on most of them nothing comes of any."""
