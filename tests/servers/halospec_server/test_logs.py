from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from halospec_server.logs import LogFormat, configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, asyncio_level = logging.getLogger(), logging.getLogger("asyncio").level
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # pytest's, which would be closed
    yield
    root.handlers, root.level = handlers, level
    logging.getLogger("asyncio").setLevel(asyncio_level)


def logged(form: LogFormat, capsys: pytest.CaptureFixture[str], message: str, **extra: object) -> str:
    configure_logging("info", form)
    logging.getLogger("somebody").info(message, extra=extra)
    return capsys.readouterr().err


def test_text_has_the_message_and_then_what_comes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    line = logged("text", capsys, "request", id="a1", status=200, gone=False)
    assert line.endswith(" INFO somebody: request id=a1 status=200 gone=False\n")


@pytest.mark.parametrize("value", ["two words", "a=b", 'a"b', "two\nlines", "\x1b[31mred", "schön"])
def test_no_value_can_pass_for_anything_else(capsys: pytest.CaptureFixture[str], value: str) -> None:
    line = logged("text", capsys, "request", path=value)
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert json.loads(line.split("path=")[1]) == value


def test_json_has_a_member_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(logged("json", capsys, "request", id="a1", status=200))
    assert record.pop("timestamp")
    assert record == {"level": "INFO", "logger": "somebody", "message": "request", "id": "a1", "status": 200}


def test_json_keeps_a_traceback_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("somebody").error("it failed", exc_info=ValueError("so it goes"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: so it goes" in json.loads(line)["exc_info"]


def test_less_important_lines_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")
    logging.getLogger("somebody").info("nothing much")
    assert capsys.readouterr().err == ""
