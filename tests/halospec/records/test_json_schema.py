"""The published schema is that of the records which are written."""

import json
from pathlib import Path

from halospec.records.json_schema import record_schema
from halospec.records.schema import RequestRecord, Round

PUBLISHED = Path(__file__).parents[3] / "docs" / "records.schema.json"


def test_the_copy_in_the_docs_is_up_to_date() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == record_schema(), (
        "run: halospec schema > docs/records.schema.json"
    )


def test_each_property_is_a_field_and_what_is_said_of_it_stands_in_the_docstring() -> None:
    properties = record_schema()["properties"]
    assert isinstance(properties, dict)
    assert set(properties) == set(RequestRecord.model_fields)
    for name, told in {
        "load_overlap": "0 to 1",
        "void": "in no statistic",
        "drafted": "Totals of the request.",
    }.items():
        described = properties[name]
        assert isinstance(described, dict)
        assert told in str(described["description"])


def test_rounds_are_described_too() -> None:
    definitions = record_schema()["$defs"]
    assert isinstance(definitions, dict)
    rounds = definitions[Round.__name__]
    assert isinstance(rounds, dict)
    assert "Tokens drafted" in str(rounds["properties"]["k"]["description"])  # type: ignore[call-overload,index]
