"""Which files a server runs: the embedded pair, a pair of the hub by name, or any GGUF files.

A model is chosen by a word, then looked at (what it is, how large, whether it is here), and only then fetched.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from halospec_server.llama import LlamaError
from halospec_server.model_files import embedded, hub
from halospec_server.model_files.embedded import EMBEDDED, EMBEDDED_DRAFTS, EMBEDDED_TARGETS, EmbeddedFile
from halospec_server.model_files.gguf_header import ModelShape, read_header
from halospec_server.model_files.hub import HubSource
from halospec_server.model_files.model_cache import ModelFileError, remembered_sha256
from halospec_server.model_files.pairs import EMBEDDED_PAIR, HUB_PAIRS, hub_model

_log = logging.getLogger("halospec_server.model_files.choice")

Ngram = Literal["ngram"]
"""No draft model: earlier text is drafted from."""

Source = EmbeddedFile | HubSource | Path


@dataclass(frozen=True)
class ModelFiles:
    """What a server is to load.

    Attributes
    ----------
    draft
        A GGUF file, ``"ngram"`` for prompt lookup, or None for no speculation.
    name
        What the server calls its model.
    """

    target: Path
    draft: Path | Ngram | None
    name: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """The target's file, and the draft model's if there is one."""
        return (self.target, self.draft) if isinstance(self.draft, Path) else (self.target,)


@dataclass(frozen=True)
class PairChoice:
    """Which models are wanted; ``draft`` and ``name`` as in `ModelFiles`."""

    target: Source
    draft: Source | Ngram | None
    name: str

    @property
    def has_draft_model(self) -> bool:
        """Whether a second model drafts."""
        return self.draft is not None and self.draft != "ngram"


@dataclass(frozen=True)
class ModelOffer:
    """A model file as it is known before it is loaded, or even fetched.

    Attributes
    ----------
    origin
        Where it comes from, in words.
    is_here
        Whether nothing is left to be fetched or made.
    sha256
        None where it is not known without hashing the file.
    shape
        None where the file leaves it out, or it is not known before the file is here.
    obtain
        Returns the file's path, fetched or made if need be; raises `ModelFileError`.
    """

    file: str
    origin: str
    is_here: bool
    size_bytes: int
    sha256: str | None
    licence: str | None
    shape: ModelShape | None
    obtain: Callable[[], Path]


@dataclass(frozen=True)
class PairOffer:
    """What is known of a choice before it is loaded; ``draft`` is None where no second model is wanted."""

    choice: PairChoice
    target: ModelOffer
    draft: ModelOffer | None

    @property
    def models(self) -> tuple[ModelOffer, ...]:
        """The target, and the draft if there is one."""
        return (self.target,) if self.draft is None else (self.target, self.draft)

    def obtain(self) -> ModelFiles:
        """Return the files, fetched or made if need be.

        Raises
        ------
        ModelFileError
            If that cannot be done.
        """
        without: Ngram | None = "ngram" if self.choice.draft == "ngram" else None
        return ModelFiles(self.target.obtain(), self.draft.obtain() if self.draft else without, self.choice.name)


def choose(pair: str | None, target: str | None, draft: str | None) -> PairChoice:
    """Turn ``--pair``, ``--target`` and ``--draft`` into a choice; no network is asked.

    Parameters
    ----------
    pair
        ``embedded`` or a name of `HUB_PAIRS`; excludes ``target``.
    target
        A path, ``hf:OWNER/REPO/FILE.gguf``, one of `EMBEDDED_TARGETS`, or None for the pair's own.
    draft
        A path, ``hf:…``, ``twin``, ``rough``, ``ngram`` or ``none``. None means the pair's own, or ``ngram`` beside a
        target of no pair.

    Raises
    ------
    ModelFileError
        If there is no such pair or path, or the options exclude one another.
    """
    if pair is not None and target is not None:
        raise ModelFileError("--pair and --target both name a target; give one of them.")
    if pair is not None and pair != EMBEDDED_PAIR:
        named = HUB_PAIRS.get(pair)
        if named is None:
            raise ModelFileError(f"There is no pair {pair}; there are: {', '.join((EMBEDDED_PAIR, *HUB_PAIRS))}.")
        return PairChoice(named.target.source, _draft(draft, named.draft.source), named.name)
    target = target or EMBEDDED
    if target in EMBEDDED_TARGETS:
        form = EMBEDDED_TARGETS[target]
        return PairChoice(EmbeddedFile(form), _draft(draft, EmbeddedFile("Q4_1") if form == "F32" else "ngram"), target)
    source = _source(target)
    return PairChoice(source, _draft(draft, "ngram"), source.stem)


def look(choice: PairChoice) -> PairOffer:
    """Find out what there is to know of a choice without fetching it; the hub may be asked.

    Raises
    ------
    ModelFileError
        If a file is not a GGUF model, or the hub cannot be asked or does not have it.
    """
    target = _offer(choice.target)
    return PairOffer(choice, target, None if choice.draft is None or choice.draft == "ngram" else _offer(choice.draft))


def resolve(target: str | None, draft: str | None) -> ModelFiles:
    """Choose and obtain files in one go, for programs that measure; see `choose`."""
    return look(choose(None, target, draft)).obtain()


def _draft(word: str | None, natural: Source | Ngram) -> Source | Ngram | None:
    if word is None:
        return natural
    if word == "none":
        return None
    if word == "ngram":
        return "ngram"
    form = EMBEDDED_DRAFTS.get(word)
    return EmbeddedFile(form) if form else _source(word)


def _source(word: str) -> HubSource | Path:
    if word.startswith(hub.PREFIX):
        return hub.parse_source(word)
    file = Path(word).expanduser()
    if not file.is_file():
        raise ModelFileError(
            f"There is no model file {file}. Give a path to a GGUF file, or hf:OWNER/REPO/FILE.gguf for one on the hub."
        )
    return file


def _offer(source: Source) -> ModelOffer:
    if isinstance(source, HubSource):
        return _hub_offer(source)
    return _embedded_offer(source) if isinstance(source, EmbeddedFile) else _local_offer(source)


def _local_offer(path: Path) -> ModelOffer:
    header = read_header(path)
    return ModelOffer(
        file=path.name,
        origin=str(path.parent.absolute()),
        is_here=True,
        size_bytes=path.stat().st_size,
        sha256=remembered_sha256(path),
        licence=header.licence,
        shape=header.shape,
        obtain=lambda: path,
    )


def _embedded_offer(source: EmbeddedFile) -> ModelOffer:
    path = source.path
    is_here = path.is_file()
    return ModelOffer(
        file=path.name,
        origin=embedded.PACKAGE if source.form == "Q4_1" else f"made from {embedded.PACKAGE}",
        is_here=is_here,
        size_bytes=path.stat().st_size if is_here else source.size_bytes,
        sha256=source.expected_sha256,
        licence=embedded.LICENCE,
        shape=embedded.SHAPE,
        obtain=source.obtain,
    )


def _hub_offer(source: HubSource) -> ModelOffer:
    file = hub.look_up(source)
    path = hub.cached_path(file)
    written_down = hub_model(source)
    header = read_header(path) if path else None
    return ModelOffer(
        file=source.filename,
        origin=f"{source.repo} at {file.commit[:12]}",
        is_here=path is not None,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        licence=file.licence or (written_down.licence if written_down else None),
        shape=header.shape if header else written_down.shape if written_down else None,
        obtain=lambda: hub.fetch(source, file),
    )


def main() -> None:
    """Fetch and make every file of the embedded pair, so that a later start needs no network."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        for form in embedded.FORMATS:
            _log.info("%s", EmbeddedFile(form).obtain())
    except (ModelFileError, LlamaError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
