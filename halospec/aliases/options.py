"""llama-server's options, on its command line and in its preset files, and what a draft length makes of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from halospec.aliases.errors import AliasError
from halospec.endpoints.failures import shown
from halospec.knobs.arguments import flag_of, secrets_in
from halospec.knobs.draft_args import NGRAM_EXAMPLE, DraftArgs

# Spellings from llama.cpp's common/arg.cpp, removed ones included, since a server of another age may know them.
_DRAFT_MODEL = frozenset({"model-draft", "spec-draft-model", "md", "hf-repo-draft", "spec-draft-hf", "hfd", "hfrd"})
_SHORT = frozenset({"td", "tbd", "Cd", "Crd", "Cbd", "Crbd", "ctkd", "ctvd", "otd", "cmoed", "ncmoed", "devd", "ngld"})
_SET_BY_K = frozenset(
    {"spec-type", "spec-default", "spec-draft-n-max", "spec-draft-n-min"}
    | {"draft", "draft-n", "draft-max", "draft-min", "draft-n-min"}
)
_PLAIN_DRAFT = "draft-simple"


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    flag
        Its name, with the dashes of the command line if it stands there.
    values
        Empty for a switch.
    """

    flag: str
    values: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name without dashes, as in a preset file."""
        return self.flag.lstrip("-")

    @property
    def is_speculative(self) -> bool:
        """Whether it says how to speculate."""
        key = self.key
        return key.startswith("spec-") or "draft" in key.split("-") or key in _SHORT or key in _DRAFT_MODEL

    @property
    def names_draft_model(self) -> bool:
        """Whether it says which model drafts."""
        return self.key in _DRAFT_MODEL

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be shown or written anywhere."""
        return bool(secrets_in((f"--{self.key}", *self.values)))


def split_options(arguments: Iterable[str]) -> tuple[Option, ...]:
    """Return the options of a command line.

    Raises
    ------
    AliasError
        If it begins with something that is no option.
    """
    options: list[Option] = []
    for argument in arguments:
        if flag_of(argument) is not None:
            flag, equals, value = argument.partition("=")
            options.append(Option(flag, (value,) if equals else ()))
        elif options:
            options[-1] = Option(options[-1].flag, (*options[-1].values, argument))
        else:
            raise AliasError(f"{shown(argument)!r} is no option of llama-server; an option starts with a dash.")
    return tuple(options)


def split_words(line: str) -> tuple[str, ...]:
    """Return a command line's words as Lemonade splits them: at spaces outside quotes; a backslash is a backslash.

    Raises
    ------
    AliasError
        If a quote is not closed.
    """
    reader = shlex.shlex(line, posix=True)
    reader.whitespace, reader.whitespace_split = " ", True
    reader.escape = reader.commenters = ""
    try:
        return tuple(word for word in reader if word)
    except ValueError:
        raise AliasError(f"A quote is not closed in the arguments {shown(line)!r}.") from None


def join_words(options: Iterable[Option]) -> str:
    """Return options as one line that `split_words` takes apart again.

    Raises
    ------
    AliasError
        If a value is empty or holds both kinds of quotes, for which Lemonade has no spelling.
    """
    return " ".join(_quoted(word) for option in options for word in (option.flag, *option.values))


def with_draft_length(
    base: Sequence[Option], draft_length: int, draft_args: DraftArgs | None, *, own_way: str | None = None
) -> tuple[Option, ...]:
    """Return a model's options with its speculation set to k; what sets it stands last.

    Without ``draft_args``, k = 0 leaves out all that concerns speculation, and other lengths keep how the draft is run
    (its device, its cache types, ``p-min``). With them, they alone say how to speculate; the model that drafts is kept
    unless they name another.

    Parameters
    ----------
    own_way
        The ``--spec-type`` of the draft that the server knows by other means than these options; None if it has none.

    Raises
    ------
    AliasError
        If nothing says how a draft is to be had.
    """
    plain = [option for option in base if not option.is_speculative]
    if draft_args is not None:
        replaced = {flag.lstrip("-") for flag in draft_args.replaced_flags(draft_length)}
        given = split_options(draft_args.expand(draft_length))
        kept = [option for option in plain if option.key not in replaced]
        if draft_length and not any(option.names_draft_model for option in given):
            kept += [option for option in base if option.names_draft_model]
        return (*kept, *given)
    way = _way_of_drafting(base) or own_way or _PLAIN_DRAFT
    setting = split_options(DraftArgs.drafting(way).expand(draft_length))
    if draft_length == 0:
        return (*plain, *setting)
    if way == _PLAIN_DRAFT and own_way is None and not any(option.names_draft_model for option in base):
        raise AliasError(
            "The model has no draft model; give it one (model-draft), or say how to speculate without:"
            f" {NGRAM_EXAMPLE}."
        )
    how = [option for option in base if option.is_speculative and option.key not in _SET_BY_K]
    return (*plain, *how, *setting)


def _way_of_drafting(base: Sequence[Option]) -> str | None:
    """Return the way that the options name, such as ``draft-mtp``, if it is one that obeys ``--spec-draft-n-max``."""
    types = [option.values[0] for option in base if option.key == "spec-type" and option.values]
    named = types[-1] if types else ""
    return named if named.startswith("draft-") and "," not in named else None


def _quoted(word: str) -> str:
    if word and not any(char in " \"'" for char in word):
        return word
    quote = '"' if '"' not in word else "'"
    if not word or quote in word:
        raise AliasError(f"Lemonade has no way to be given the argument {shown(word)!r}; leave it out.")
    return f"{quote}{word}{quote}"
