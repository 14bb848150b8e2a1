"""Reading a TOML file that a person wrote, with one sentence for whatever is wrong with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from halospec.analysis.printable import printable
from halospec.simulate.errors import CannotSimulate

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, model: type[Model]) -> Model:
    """Read a file.

    Raises
    ------
    CannotSimulate
        If it cannot be read, or is not what the model describes.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise CannotSimulate(f"{path} is not text in UTF-8.") from error
    except OSError as error:
        raise CannotSimulate(f"Cannot read {path}: {error.strerror or error}.") from error
    return parse_toml(text, str(path), model)


def parse_toml(text: str, source: str, model: type[Model]) -> Model:
    """Take a TOML text for what the model describes; errors call it ``source``.

    Raises
    ------
    CannotSimulate
        If it is not that.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotSimulate(f"{source} is no TOML: {printable(str(error), 200)}.") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise CannotSimulate(
            printable(f"{source}: {where}: {what}." if where else f"{source}: {what}.", 300)
        ) from error
