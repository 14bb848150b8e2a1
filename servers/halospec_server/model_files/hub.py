"""GGUF files of the Hugging Face hub: looked up, fetched once, and verified against the checksum that the hub reports.

Files lie in the hub's own cache (``HF_HOME``), where other programs find them too. What the hub said of a file is kept
beside our own model files, so that a later start needs no network and gets the very same file.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

from pydantic import BaseModel, ConfigDict, ValidationError

from halospec_server.model_files.model_cache import ModelFileError, model_directory, require_room, sha256_of

_log = logging.getLogger("halospec_server.model_files.choice")

PREFIX = "hf:"
DEFAULT_REVISION = "main"
_SOURCE = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?/(?P<file>[^@]+\.gguf)")
_ONE_OF_SEVERAL = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_LOOK_UP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class HubSource:
    """Where on the hub a file is.

    Attributes
    ----------
    revision
        A branch, tag or commit.
    """

    repo: str
    filename: str
    revision: str = DEFAULT_REVISION

    @property
    def stem(self) -> str:
        """The file's name alone, without its ending."""
        return PurePosixPath(self.filename).stem

    def __str__(self) -> str:
        at = "" if self.revision == DEFAULT_REVISION else f"@{self.revision}"
        return f"{PREFIX}{self.repo}{at}/{self.filename}"


class HubFile(BaseModel):
    """What the hub says of a file.

    Attributes
    ----------
    sha256
        Of the file's bytes, as the hub reports it.
    gated
        Whether the licence must be accepted on the hub before the file can be fetched.
    """

    model_config = ConfigDict(frozen=True)

    repo: str
    filename: str
    commit: str
    size_bytes: int
    sha256: str
    licence: str | None
    gated: bool


def parse_source(text: str) -> HubSource:
    """Read ``hf:OWNER/REPO/FILE.gguf`` or ``hf:OWNER/REPO@REVISION/FILE.gguf``.

    Raises
    ------
    ModelFileError
        If it is neither.
    """
    match = _SOURCE.fullmatch(text)
    if match is None:
        raise ModelFileError(
            f"{text} is no file on the hub; write hf:OWNER/REPO/FILE.gguf, or hf:OWNER/REPO@REVISION/FILE.gguf."
        )
    if _ONE_OF_SEVERAL.search(match["file"]):
        raise ModelFileError(f"{text} is one part of a model in several; give one that is whole in one file.")
    return HubSource(match["repo"], match["file"], match["revision"] or DEFAULT_REVISION)


def look_up(source: HubSource) -> HubFile:
    """Return what was learnt of a file when it was fetched, or else ask the hub.

    Raises
    ------
    ModelFileError
        If the hub cannot be reached, or does not have the file.
    """
    known = _recorded(source)
    if known is not None and cached_path(known) is not None:
        return known
    hub = _client()
    with _hub_errors_in_one_sentence(hub, source):
        api = hub.HfApi(library_name="halospec")
        info = api.model_info(source.repo, revision=source.revision, files_metadata=True, timeout=_LOOK_UP_TIMEOUT_S)
    files = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    file = files.get(source.filename)
    if file is None:
        others = ", ".join(sorted(name for name in files if name.endswith(".gguf"))) or "none"
        raise ModelFileError(f"{source.repo} has no file {source.filename}; its GGUF files: {others}.")
    if file.lfs is None or info.sha is None:
        raise ModelFileError(f"The hub reports no SHA-256 for {source}, so it could not be verified; it is not used.")
    return HubFile(
        repo=source.repo,
        filename=source.filename,
        commit=info.sha,
        size_bytes=file.lfs.size,
        sha256=file.lfs.sha256,
        licence=_licence(info.card_data),
        gated=bool(info.gated),
    )


def cached_path(file: HubFile) -> Path | None:
    """Return where a file lies in the hub's cache, or None if it does not."""
    found = _client().try_to_load_from_cache(file.repo, file.filename, revision=file.commit)
    return Path(found) if isinstance(found, str) else None


def fetch(source: HubSource, file: HubFile) -> Path:
    """Return a file's path, downloaded unless it is in the hub's cache, and verified.

    Raises
    ------
    ModelFileError
        If it cannot be downloaded, or is not what the hub says it is.
    """
    hub = _client()
    path = cached_path(file)
    if path is None:
        require_room(Path(hub.constants.HF_HUB_CACHE), file.size_bytes)
        _log.info("Fetching %s from %s (%.2f GB, once)", file.filename, file.repo, file.size_bytes / 1e9)
        with _hub_errors_in_one_sentence(hub, source):
            path = Path(hub.hf_hub_download(file.repo, file.filename, revision=file.commit, library_name="halospec"))
    found = sha256_of(path)
    if found != file.sha256:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise ModelFileError(
            f"{source} arrived with SHA-256 {found} where the hub reports {file.sha256}; it was removed. Start again "
            "to fetch it anew."
        )
    _record(source, file)
    return path


def _recorded(source: HubSource) -> HubFile | None:
    record = _record_path(source)
    if not record.is_file():
        return None
    try:
        return HubFile.model_validate_json(record.read_bytes())
    except ValidationError:
        _log.warning("%s is damaged; the hub is asked again", record)
        return None


def _record(source: HubSource, file: HubFile) -> None:
    record = _record_path(source)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(file.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        _log.warning("what the hub said of %s is not kept (%s); it will be asked again", source, error.strerror)


def _record_path(source: HubSource) -> Path:
    name = "--".join((source.repo, source.revision, source.filename)).replace("/", "--")
    return model_directory() / "hub" / f"{name}.json"


def _licence(card: object) -> str | None:
    """Return the licence named at the head of a model card; ``other`` stands for a name given apart."""
    licence = getattr(card, "license", None)
    return getattr(card, "license_name", None) or licence if licence == "other" else licence


def _client() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise ModelFileError(
            "Files of the Hugging Face hub need the package huggingface_hub; install it with: python -m pip install "
            "'halospec[hub]'."
        ) from error
    return huggingface_hub


@contextmanager
def _hub_errors_in_one_sentence(hub: ModuleType, source: HubSource) -> Iterator[None]:
    """Turn what the hub's client raises into what a person can act on."""
    errors, endpoint = hub.errors, hub.constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelFileError(
            f"{source.repo} is gated: accept its licence at {endpoint}/{source.repo}, then set HF_TOKEN to a token of "
            "your account."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelFileError(
            f"{endpoint} has no public repository {source.repo}; check the name, or set HF_TOKEN if it is private."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelFileError(f"{source.repo} has no revision {source.revision}.") from error
    except errors.EntryNotFoundError as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreachable(endpoint, source, error) from error
        raise ModelFileError(f"{source.repo} has no file {source.filename}.") from error
    except errors.OfflineModeIsEnabled as error:
        raise ModelFileError(
            f"{source} is not in the cache and HF_HUB_OFFLINE forbids fetching it; unset that, or give another file."
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        hint = "set HF_TOKEN to a valid token" if status in (401, 403) else "try again later"
        raise ModelFileError(f"{endpoint} answered {status} for {source}; {hint}.") from error
    except errors.HTTPError as error:  # of its HTTP library, which is not the same in every version
        raise _unreachable(endpoint, source, error) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelFileError(
                f"The disk filled up while {source} was fetched; make room, or set HF_HOME to a larger disk."
            ) from error
        raise _unreachable(endpoint, source, error) from error


def _unreachable(endpoint: str, source: HubSource, error: Exception) -> ModelFileError:
    reason = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
    return ModelFileError(
        f"{source} could not be fetched from {endpoint} ({reason[0].rstrip('.')}). Check the connection and start "
        "again, or give your own files with --target and --draft."
    )
