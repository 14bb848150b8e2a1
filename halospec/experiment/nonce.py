"""Words before a prompt that no other request has, for servers that cannot be told not to use their prompt cache."""

from __future__ import annotations

import hashlib

NONCE_WORDS = 8
"""Of 256 words each: 64 bits, so that a million requests share one with a probability below one in ten million."""

_WORD_LIST = (
    "area away back ball band bank base beat bell bird blue boat body bond bone book boot born call camp card care"
    " case cast cell chat chip city club coal come cool core corn cost crop date days deal deep disc disk door down"
    " draw drop edge else face fact fair fall fast feed felt film find fine fire fish five flag flat flow folk food"
    " foot form fort four free full fund gain game gate gold good gray grey grid hair half hall hand hard head heat"
    " held here hero high hill hire hold hole home horn hour idea inch iron item join keep kind king know lake land"
    " lane last late leaf left less life lion live load loan lock long look lord love lung made mail make mark mass"
    " mate meal mean menu mere mile mill mind mine mode move name open oral oven pace pack page paid pair park part"
    " past path peak pick pine pipe play pole poll pool port post pull pure push race rail rain rank rate real rent"
    " rest rice rich ride ring rise risk road rock role roll room root rose rule safe sale same save seat seed seek"
    " seen send ship shop shot show side sign site size skin slow soft sole song soon sort spin spot star stem step"
    " tail take talk team term time tiny tool town tree turn type unit user view vote wait walk wall wave wear week"
    " well west wide wind wing wire wise wood word work yard year your zone"
)
_WORDS = tuple(_WORD_LIST.split())


def nonce(
    seed: int, *, mode: str, block: int, step: int, is_warmup: bool = False, trial_attempt: int = 1, run: str = ""
) -> str:
    """Return eight words of four letters each: the same for the same place of a plan, another one everywhere else.

    Each word is one token in the vocabularies of SmolLM2, Llama 3 and 4, Mistral and Qwen, so all nonces are equally
    long there; that this holds for a model can be seen in its ``prompt_tokens``. Replies change with them, so where
    there are nonces the modes' texts cannot be compared.

    Parameters
    ----------
    trial_attempt
        A trial that is begun anew must not find its own earlier prompts in the cache.
    run
        Something that no other run has, such as the time of its start: a plan that runs twice on one server would
        otherwise meet its own prompts.
    """
    place = f"{run}/{seed}/{mode}/{block}/{step}/{is_warmup}/{trial_attempt}"
    digest = hashlib.sha256(place.encode()).digest()
    return " ".join(_WORDS[byte] for byte in digest[:NONCE_WORDS])


def with_nonce(text: str, words: str) -> str:
    """Return a prompt with a nonce before it, from which on no cache knows it."""
    return f"{words}\n\n{text}"
