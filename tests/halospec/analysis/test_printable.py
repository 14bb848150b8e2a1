from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.printable import printable


def test_ordinary_text_is_left_alone():
    assert printable("Qwen 2.5 (été) [Q4_1] 日本 🙂") == "Qwen 2.5 (été) [Q4_1] 日本 🙂"


def test_line_breaks_become_spaces():
    assert printable("one\r\n two\tthree") == "one two three"


def test_a_long_text_is_cut_and_shows_it():
    assert printable("abcdefghij", limit=8) == "abcde..."
    assert printable("abcdefgh", limit=8) == "abcdefgh"


@given(st.text())
def test_nothing_that_steers_a_terminal_or_breaks_xml_is_left(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown
