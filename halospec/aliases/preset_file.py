"""A preset file of llama-server's router, of which only a block of our own between two marker comments is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from halospec.aliases.errors import AliasError
from halospec.aliases.options import Option
from halospec.aliases.replacement import replace_file
from halospec.endpoints.failures import shown

_HEADER = re.compile(rb"(?:\A|[\r\n])[ \t]*\[([^\]\r\n]*)\]")
_TRUE = "true"


def sections_text(sections: Mapping[str, Sequence[Option]]) -> str:
    """Return sections as text; an option that such a file cannot hold is left out.

    There is no escape in these files: a value ends at a line's end, or at ``;`` or ``#``, wherever that stands.

    Raises
    ------
    AliasError
        If an option has several values, for which a preset file has no spelling.
    """
    return "\n\n".join(_section(name, options) for name, options in sections.items())


def can_hold(value: str) -> bool:
    """Tell whether a preset file can hold a value."""
    return value == value.strip() and not any(char in ";#\r\n" for char in value)


def marked(model: str, text: str) -> str:
    """Return text between the marker comments of a model's aliases, for the end of a preset file.

    A line break stands before it in any case. It ends a last line that had no end, and `without_block` takes it away
    again, so that the file is then what it was to the byte.
    """
    begin, end = _markers(model)
    return f"\n{begin}\n{text}\n{end}\n"


def with_block(content: bytes, model: str, text: str) -> bytes:
    """Return a preset file's content with a marked block at its end."""
    return content + marked(model, text).encode()


def without_block(content: bytes, model: str) -> bytes:
    """Return a preset file's content without the model's marked block; as it is where there is none.

    Raises
    ------
    AliasError
        If a block has no beginning or no end.
    """
    while span := _block(content, model):
        before, after = content[: span[0]], content[span[1] :]
        rest = before.removesuffix(b"\n")
        # The line break that came with the block, unless it now parts two lines.
        content = (rest if not after or not rest or rest.endswith(b"\n") else before) + after
    return content


def names_in_block(content: bytes, model: str) -> frozenset[str] | None:
    """Return the sections in a model's marked block; None if it has none. Raises AliasError like `without_block`."""
    span = _block(content, model)
    return None if span is None else section_names(content[span[0] : span[1]])


def section_names(content: bytes) -> frozenset[str]:
    """Return the names of all sections."""
    return frozenset(match.group(1).decode("utf-8", "replace").strip() for match in _HEADER.finditer(content))


def absolute(path: Path) -> Path:
    """Return a path that means the same file wherever this process is."""
    return path.expanduser().absolute()


def read_preset_file(path: Path) -> bytes:
    """Return a preset file's content.

    Raises
    ------
    AliasError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as fault:
        raise AliasError(f"Cannot read the preset file {path}: {fault.strerror or fault}.") from fault


def add_block(path: Path, model: str, text: str) -> None:
    """Put a marked block into a preset file; raises AliasError if it cannot be written."""
    replace_file(path, with_block(read_preset_file(path), model, text))


def remove_block(path: Path, model: str) -> bool:
    """Cut a model's marked block out of a preset file, and tell whether there was one.

    A file that is gone has no block.

    Raises
    ------
    AliasError
        If the file cannot be read or written, or the block has no end.
    """
    if not path.exists():
        return False
    content = read_preset_file(path)
    if names_in_block(content, model) is None:
        return False
    replace_file(path, without_block(content, model))
    return True


def _section(name: str, options: Iterable[Option]) -> str:
    return "\n".join([f"[{name}]", *(line for option in options if (line := _line(option)) is not None)])


def _line(option: Option) -> str | None:
    if len(option.values) > 1:
        raise AliasError(f"A preset file cannot hold {shown(option.flag)!r}, which takes several values; leave it out.")
    value = option.values[0] if option.values else _TRUE
    return f"{option.key} = {value}" if can_hold(value) else None


def _markers(model: str) -> tuple[str, str]:
    return f"; halospec aliases of {model}: begin", f"; halospec aliases of {model}: end"


def _block(content: bytes, model: str) -> tuple[int, int] | None:
    """Return where the first block begins and ends, its markers' lines and their line breaks included."""
    begin, end = (_line_of(marker) for marker in _markers(model))
    opening, closing = begin.search(content), end.search(content)
    if opening is None and closing is None:
        return None
    if opening is None or closing is None or closing.start() < opening.end():
        raise AliasError(
            f"The aliases of {shown(model)} do not stand between a line {_markers(model)[0]!r} and one that says 'end'"
            " in the preset file; take them out by hand."
        )
    return opening.start(), closing.end()


def _line_of(marker: str) -> re.Pattern[bytes]:
    return re.compile(rb"^[ \t]*" + re.escape(marker.encode()) + rb"[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
