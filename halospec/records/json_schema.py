"""The record's schema as JSON Schema, for readers in other languages; docs/records.schema.json is its copy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, JsonValue

from halospec.records.schema import SCHEMA_VERSION, RequestRecord, Round

_NAMES = re.compile(r"^[a-z_0-9]+(, [a-z_0-9]+)*$")


def record_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of a line of ``records.jsonl``, each property with what its docstring says of it."""
    schema: dict[str, Any] = RequestRecord.model_json_schema(mode="serialization")
    schema["$defs"][Round.__name__] = _round_schema()
    _describe(schema, RequestRecord)
    _describe(schema["$defs"][Round.__name__], Round)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"HaloSpec request record, version {SCHEMA_VERSION}",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _round_schema() -> dict[str, Any]:
    """Return the schema of a round as it is written: what is not known is left out."""
    schema: dict[str, Any] = Round.model_json_schema(mode="validation")
    schema["required"] = [name for name, field in Round.model_fields.items() if field.get_default() is not None]
    for name, of in schema["properties"].items():
        if name not in schema["required"]:
            known = next(kind for kind in of.pop("anyOf") if kind != {"type": "null"})
            del of["default"]
            of.update(known)
    return schema


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    told = dict(_attributes(inspect.getdoc(model) or ""))
    schema["description"] = (inspect.getdoc(model) or "").partition("\n\nAttributes\n")[0].replace("\n", " ")
    for name, said in schema["properties"].items():
        said.pop("title", None)
        if name in told:
            said["description"] = told[name]


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield each name of a docstring's list of attributes with the text that stands under it."""
    _, _, listed = docstring.partition("\nAttributes\n")
    names: list[str] = []
    text: list[str] = []
    for line in [*listed.splitlines()[1:], "end"]:
        if line.startswith(" ") or not line:
            text.append(line.strip())
            continue
        for name in names:
            yield name, " ".join(part for part in text if part)
        names, text = (line.split(", "), []) if _NAMES.match(line) else ([], [])
