from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from halospec.recordings.files import ABOUT, COSTS, TRACES, read_recording, write_recording
from halospec.recordings.types import RecordedRounds, Recording, TracedText
from halospec.records.store import StoreError


def assert_same_columns(one: TracedText | RecordedRounds, other: TracedText | RecordedRounds) -> None:
    for field in dataclasses.fields(one):
        was, now = getattr(one, field.name), getattr(other, field.name)
        if isinstance(was, np.ndarray):
            assert now.dtype == was.dtype, field.name
        np.testing.assert_array_equal(now, was)


def change(directory, name, alter) -> None:
    """Have a table hold something else, as whoever wrote the hashes would have it."""
    table = alter(pq.read_table(directory / name))
    pq.write_table(table, directory / name)
    about = json.loads((directory / ABOUT).read_text())
    about["sha256"][name] = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    (directory / ABOUT).write_text(json.dumps(about))


def with_column(column, values):
    def alter(table):
        place = table.column_names.index(column)
        return table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))

    return alter


def test_what_was_written_is_read(tmp_path, make_recording):
    recording = make_recording()
    write_recording(recording, tmp_path / "twin")
    read = read_recording(tmp_path / "twin")

    assert (read.pair, read.threads, read.draft_threads) == ("twin", 2, 1)
    assert read.about == recording.about
    assert len(read.texts) == len(recording.texts)
    for was, now in zip(recording.texts, read.texts, strict=True):
        assert_same_columns(was, now)
    assert_same_columns(recording.rounds, read.rounds)


def test_a_recording_may_have_texts_alone(tmp_path, make_recording):
    write_recording(make_recording(conditions=()), tmp_path / "twin")
    read = read_recording(tmp_path / "twin")
    assert (len(read.texts), len(read.rounds), read.rounds.conditions) == (2, 0, ())


def test_a_whole_recording_is_small(tmp_path, make_recording):
    """30 prompts of 128 tokens and 8000 rounds; drawn numbers, which compress worse than measured ones."""
    write_recording(make_recording(texts=30, tokens=128, rounds=4000), tmp_path / "twin")
    assert sum(path.stat().st_size for path in (tmp_path / "twin").iterdir()) < 400_000


def test_another_recording_takes_the_place_of_the_old_one_and_of_nothing_else(tmp_path, make_recording):
    directory = tmp_path / "twin"
    write_recording(make_recording(), directory)
    (directory / "README.md").write_text("mine")
    write_recording(make_recording(texts=3), directory)
    assert len(read_recording(directory).texts) == 3
    assert {path.name for path in directory.iterdir()} == {TRACES, COSTS, ABOUT, "README.md"}


def test_where_nothing_can_be_written_nothing_is_left(tmp_path, make_recording):
    (tmp_path / "twin").write_text("a file")
    with pytest.raises(StoreError, match="Cannot write"):
        write_recording(make_recording(), tmp_path / "twin")
    assert [path.name for path in tmp_path.iterdir()] == ["twin"]


def test_a_directory_without_a_recording_says_how_to_make_one(tmp_path):
    with pytest.raises(StoreError, match=r"no recording in .* `halospec record-traces`"):
        read_recording(tmp_path)


@pytest.mark.parametrize("name", [TRACES, COSTS])
def test_a_missing_table_is_named(tmp_path, make_recording, name):
    write_recording(make_recording(), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(StoreError, match=rf"{name} is missing"):
        read_recording(tmp_path)


@pytest.mark.parametrize("name", [TRACES, COSTS])
def test_a_table_of_another_recording_is_refused(tmp_path, make_recording, name):
    write_recording(make_recording(), tmp_path / "one")
    write_recording(make_recording(texts=3, rounds=7), tmp_path / "other")
    (tmp_path / "other" / name).replace(tmp_path / "one" / name)
    with pytest.raises(StoreError, match=rf"{name} is not the file that {ABOUT} beside it was written with"):
        read_recording(tmp_path / "one")


@pytest.mark.parametrize("content", ["", "[]", '{"pair": "twin"}', '{"halospec_recording": 2}'])
def test_a_foreign_account_is_refused(tmp_path, make_recording, content):
    write_recording(make_recording(), tmp_path)
    (tmp_path / ABOUT).write_text(content)
    with pytest.raises(StoreError, match="does not describe a recording"):
        read_recording(tmp_path)


def test_what_is_no_parquet_file_is_refused_even_with_the_right_hash(tmp_path, make_recording):
    write_recording(make_recording(), tmp_path)
    (tmp_path / COSTS).write_bytes(b"PAR1 and so on")
    about = json.loads((tmp_path / ABOUT).read_text())
    about["sha256"][COSTS] = hashlib.sha256(b"PAR1 and so on").hexdigest()
    (tmp_path / ABOUT).write_text(json.dumps(about))
    with pytest.raises(StoreError, match="no readable Parquet file"):
        read_recording(tmp_path)


@pytest.mark.parametrize(
    ("name", "alter", "sentence"),
    [
        (COSTS, lambda table: table.drop_columns(["missed"]), "it has no column missed"),
        (COSTS, lambda table: table.cast(wider(table.schema, "k")), "column k is int64 instead of int16"),
        (COSTS, with_column("k", [-1] * 8), "a k is not between 0 and 64"),
        (COSTS, with_column("threads", [0] * 8), "a threads is not between 1"),
        (COSTS, with_column("verify_us", [float("nan")] * 8), "a verify_us is not between"),
        (COSTS, with_column("draft_us", [None] * 8), "column draft_us has gaps"),
        (COSTS, with_column("visit", [1, 2] * 4), "its visits are not in order"),
        (TRACES, with_column("overlap", [1.5] * 10), "a overlap is not between 0 and 1"),
        (TRACES, with_column("token", [-3] * 10), "a token is not between"),
        (TRACES, with_column("position", [1] * 10), "the positions of a text do not count from 0"),
        (TRACES, lambda table: pa.concat_tables([table, table]), "a prompt_id has more than one text"),
    ],
)  # fmt: skip
def test_numbers_that_no_recording_holds_are_refused(tmp_path, make_recording, name, alter, sentence):
    write_recording(make_recording(), tmp_path)
    change(tmp_path, name, alter)
    with pytest.raises(StoreError, match=f"is not a table of a recording: {sentence}"):
        read_recording(tmp_path)


def wider(schema: pa.Schema, column: str) -> pa.Schema:
    place = schema.get_field_index(column)
    return schema.set(place, pa.field(column, pa.int64()))


def test_a_text_ends_where_the_next_prompt_begins(tmp_path, make_recording):
    recording: Recording = make_recording(texts=3, tokens=1)
    write_recording(recording, tmp_path)
    assert [text.prompt_id for text in read_recording(tmp_path).texts] == ["code-0", "code-1", "code-2"]
