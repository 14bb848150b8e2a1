"""A command line of the user's that starts a server, with a place in it for the draft length."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Self

import httpx

from halospec.child_process import free_loopback_port
from halospec.knobs.arguments import flag_of, flags_in, secrets_in, shown_arguments, split_arguments, values_of
from halospec.knobs.draft_args import LENGTH, NGRAM_EXAMPLE, PLACEHOLDER, DraftArgs

PORT = "{port}"
_LLAMA_SERVER = "llama-server"
_LLAMA_SERVER_PORT = 8080
_DRAFT_MODEL_FLAGS = frozenset(
    {"-md", "--model-draft", "--spec-draft-model", "-hfd", "-hfrd", "--hf-repo-draft", "--spec-draft-hf"}
)
_DRAFT_MODEL_VARIABLES = ("LLAMA_ARG_SPEC_DRAFT_MODEL", "LLAMA_ARG_SPEC_DRAFT_HF_REPO")
_SPEC_TYPE_VARIABLE = "LLAMA_ARG_SPEC_TYPE"
_HOST_VARIABLE, _PORT_VARIABLE = "LLAMA_ARG_HOST", "LLAMA_ARG_PORT"
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (listened on by the server, not by us)


@dataclass(frozen=True)
class ServerCommand:
    """A command line, taken apart.

    Attributes
    ----------
    arguments
        As they were typed, placeholders included.
    url
        Where the server will answer.
    port
        What ``{port}`` stands for.
    """

    arguments: tuple[str, ...]
    url: str
    port: int
    draft_args: DraftArgs

    @classmethod
    def parse(
        cls,
        line: str,
        *,
        url: str | None = None,
        draft_args: DraftArgs | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """Read a command line as a shell would split it; no shell ever sees it.

        ``{draft_args}`` stands for the draft arguments, ``{k}`` for the draft length (one of the two must be there),
        ``{port}`` for a free port of this machine, or for the URL's.

        Parameters
        ----------
        url
            Where it will answer, where that is not to be read from the command.
        draft_args
            None: llama-server's for a draft model.
        environment
            What the server will find in it counts as part of the command.

        Raises
        ------
        ValueError
            If it cannot work, with the reason and what to do in one sentence.
        """
        arguments = split_arguments(line)
        if not arguments:
            raise ValueError("The server command is empty.")
        _require_a_place_for_k(arguments)
        if PLACEHOLDER in arguments:
            if draft_args is None:
                _require_draft_model(arguments, environment)
            _require_no_clash(arguments, draft_args or DraftArgs(), environment)
        url, port = _address(arguments, url, environment)
        return cls(arguments, url, port, draft_args or DraftArgs())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys and tokens in the command, which no message may repeat."""
        return secrets_in(self.arguments)

    def expand(self, draft_length: int) -> tuple[str, ...]:
        """Return the program and its arguments for a draft length."""
        return tuple(self._expanded(draft_length))

    def shown(self, draft_length: int) -> str:
        """Return the same as one line, keys and tokens left out."""
        return shown_arguments(self.expand(draft_length))

    def _expanded(self, draft_length: int) -> Iterator[str]:
        for argument in self.arguments:
            if argument == PLACEHOLDER:
                yield from self.draft_args.expand(draft_length)
            else:
                yield argument.replace(PORT, str(self.port)).replace(LENGTH, str(draft_length))


def _require_a_place_for_k(arguments: Sequence[str]) -> None:
    if any(PLACEHOLDER in argument and argument != PLACEHOLDER for argument in arguments):
        raise ValueError(f"{PLACEHOLDER} stands for several arguments, so it must be a word of its own in the command.")
    if not any(PLACEHOLDER in argument or LENGTH in argument for argument in arguments):
        raise ValueError(
            f"The server command has no {PLACEHOLDER}, the place for the arguments that set the draft length; add it,"
            " for llama-server at the end."
        )


def _require_draft_model(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    if not flags_in(arguments) & _DRAFT_MODEL_FLAGS and not any(environment.get(v) for v in _DRAFT_MODEL_VARIABLES):
        raise ValueError(
            "The server command names no draft model, and without one llama-server drafts nothing; add -md DRAFT.gguf,"
            f" or say how k is set with --draft-args, such as {NGRAM_EXAMPLE}."
        )


def _require_no_clash(arguments: Sequence[str], draft_args: DraftArgs, environment: Mapping[str, str]) -> None:
    # llama-server adds up what several --spec-type (and the variable) say: a "none" among them changes nothing.
    twice = sorted(flags_in(arguments) & draft_args.flags)
    if twice:
        raise ValueError(
            f"The server command holds {', '.join(twice)} itself, which would add to what {PLACEHOLDER} says or undo"
            " it; take it out of the command, or put it into --draft-args."
        )
    if "--spec-type" in draft_args.flags and environment.get(_SPEC_TYPE_VARIABLE):
        raise ValueError(
            f"{_SPEC_TYPE_VARIABLE} is set in the environment, and llama-server adds it to what {PLACEHOLDER} says;"
            " unset it."
        )


def _address(arguments: Sequence[str], url: str | None, environment: Mapping[str, str]) -> tuple[str, int]:
    wants_port = any(PORT in argument for argument in arguments)
    if url is not None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL()
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"The server's URL {url!r} is not of the form http://host:port.")
        return url.rstrip("/"), parsed.port or (443 if parsed.scheme == "https" else 80)
    # llama-server's own variables count where its command line says nothing; no other server knows them.
    implied = environment if any(map(_is_llama_server, arguments)) else {}
    port = free_loopback_port() if wants_port else _port_in(arguments, implied)
    host = _value_of(arguments, "--host") or implied.get(_HOST_VARIABLE) or "127.0.0.1"
    host = _EVERY_INTERFACE.get(host, host)
    if "," in host or "/" in host or host.endswith(".sock"):
        raise ValueError(f"Where the server will answer cannot be told from --host {host}; give its URL as well.")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}", port


def _port_in(arguments: Sequence[str], implied: Mapping[str, str]) -> int:
    port = _value_of(arguments, "--port") or implied.get(_PORT_VARIABLE)
    if port is not None and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return int(port)
    if port is None and any(_is_llama_server(argument) for argument in arguments):
        return _LLAMA_SERVER_PORT
    raise ValueError(
        f"The server command does not say on which port the server will listen; put {PORT} where its port belongs"
        f" (such as --port {PORT}), or give its URL as well."
    )


def _value_of(arguments: Sequence[str], flag: str) -> str | None:
    """Return the value of a flag that takes one; of several, the last counts."""
    return next((values[0] for values in reversed(values_of(arguments, flag)) if values), None)


def _is_llama_server(argument: str) -> bool:
    return flag_of(argument) is None and PurePath(argument).name.startswith(_LLAMA_SERVER)
