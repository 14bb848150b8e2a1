"""Command-line arguments: split, compared by flag, and shown without what must stay secret."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

MASK = "***"
"""Stands for what is not shown."""

_A_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_SECRET_FLAG = re.compile(r"-+(hft|(.*-)?(key|token|secret|password))")
_SECRET_VARIABLE = re.compile(r"(\w*_)?(key|token|secret|password)", re.IGNORECASE | re.ASCII)


def split_arguments(text: str, *, backslash_escapes: bool = sys.platform != "win32") -> tuple[str, ...]:
    """Return the arguments in a text as a POSIX shell would split it, without anything else that a shell does.

    Parameters
    ----------
    backslash_escapes
        Whether a backslash quotes what follows; otherwise it stands for itself.

    Raises
    ------
    ValueError
        If a quotation mark is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if not backslash_escapes:
        lexer.escape = ""
    try:
        return tuple(lexer)
    except ValueError:
        raise ValueError(f"A quotation mark or a backslash in '{text}' has nothing that ends it.") from None


def flag_of(argument: str) -> str | None:
    """Return the flag that an argument is, spelled as llama-server compares it; None for a value."""
    if not argument.startswith("-") or argument == "-" or _A_NUMBER.fullmatch(argument):
        return None
    flag = argument.partition("=")[0]
    return flag.replace("_", "-") if flag.startswith("--") else flag


def flags_in(arguments: Sequence[str]) -> frozenset[str]:
    """Return the flags among arguments."""
    return frozenset(flag for argument in arguments if (flag := flag_of(argument)) is not None)


def without_flags(arguments: Sequence[str], flags: Collection[str]) -> tuple[str, ...]:
    """Return the arguments less these flags and the values that follow them."""
    kept, dropping = [], False
    for argument in arguments:
        flag = flag_of(argument)
        dropping = flag in flags if flag is not None else dropping
        if not dropping:
            kept.append(argument)
    return tuple(kept)


def values_of(arguments: Sequence[str], flag: str) -> list[tuple[str, ...]]:
    """Return what follows each occurrence of a flag, up to the next flag."""
    found: list[list[str]] = []
    inside = False
    for argument in arguments:
        if flag_of(argument) is not None:
            inside = flag_of(argument) == flag
            if inside:
                found.append([argument.partition("=")[2]] if "=" in argument else [])
        elif inside:
            found[-1].append(argument)
    return [tuple(values) for values in found]


def secrets_in(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return what must not reach a record or a message: keys, tokens and passwords.

    They are the values of flags (``--api-key K``), of variables (``env API_KEY=K llama-server``), and those of either
    within an argument that is a command line itself (``sh -c 'llama-server --api-key K'``).
    """
    return (
        *_values_of_secret_flags(arguments),
        *_values_of_secret_variables(arguments),
        *(secret for argument in arguments for secret in _secrets_within(argument)),
    )


def shown_arguments(arguments: Sequence[str]) -> str:
    """Return arguments as one line that could be typed, keys and tokens left out."""
    secrets = set(secrets_in(arguments))
    return shlex.join(_masked(argument, secrets) for argument in arguments)


def _values_of_secret_flags(arguments: Sequence[str]) -> Iterator[str]:
    for flag in flags_in(arguments):
        if _SECRET_FLAG.fullmatch(flag):
            yield from (values[0] for values in values_of(arguments, flag) if values and values[0])


def _values_of_secret_variables(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        name, _, value = argument.partition("=")
        # Of several words it is the beginning of a command line, which `_secrets_within` takes apart.
        if len(value.split()) == 1 and _SECRET_VARIABLE.fullmatch(name):
            yield value


def _secrets_within(argument: str) -> tuple[str, ...]:
    words = argument.split()
    if len(words) < 2:
        return ()
    with suppress(ValueError):
        return secrets_in(split_arguments(argument))
    return secrets_in(words)


def _masked(argument: str, secrets: Collection[str]) -> str:
    name, joint, value = argument.partition("=")
    if argument in secrets:
        return MASK
    if joint and value in secrets:
        return f"{name}{joint}{MASK}"
    for secret in _secrets_within(argument):
        argument = argument.replace(secret, MASK)
    return argument
