"""k as a field of the request."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from halospec.knobs.request_field import KNOWN_FIELDS, RESERVED_FIELDS, RequestField

names = st.text(string.ascii_letters + string.digits + "_-", min_size=1).filter(
    lambda name: name not in RESERVED_FIELDS
)


@pytest.mark.parametrize("spelling", KNOWN_FIELDS)
async def test_a_known_field_is_one_flat_name(spelling):
    knob = RequestField(spelling)
    change = knob.request_change(4)
    assert change.fields == {spelling: 4}
    assert change.model is None
    assert await knob.switch_to(4) is None
    assert knob.lengths is None


def test_any_flat_field_can_be_named():
    assert RequestField("field:n_draft").request_change(0).fields == {"n_draft": 0}
    assert RequestField("field:a.b").request_change(0).fields == {"a.b": 0}


@given(st.lists(names, min_size=1, max_size=5), st.integers(0, 99))
def test_a_path_leads_to_k(path, k):
    value = RequestField("$." + ".".join(path)).request_change(k).fields
    for name in path:
        assert list(value) == [name]
        value = value[name]
    assert value == k


@pytest.mark.parametrize(
    "spelling",
    ["$", "$.", "$.a.", "$..a", "$a", "$.a[0]", "$.a.0]", "$.a b", "$.*", "field:", "field:a b", "field:$.a"],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(spelling):
    with pytest.raises(ValueError, match=r"cannot be read: write field:NAME, or \$\.outer\.inner"):
        RequestField(spelling)


def test_an_unknown_name_is_refused_with_the_way_to_send_it_anyway():
    with pytest.raises(ValueError, match=r"no request field 'n_draft'; write field:n_draft"):
        RequestField("n_draft")


@pytest.mark.parametrize("name", sorted(RESERVED_FIELDS))
def test_what_every_request_says_is_not_overwritten(name):
    for spelling in (f"field:{name}", f"$.{name}", f"$.{name}.deep"):
        with pytest.raises(ValueError, match=f"cannot be sent as '{name}'"):
            RequestField(spelling)


@given(st.text())
def test_a_spelling_is_either_sent_under_one_name_or_refused(spelling):
    try:
        knob = RequestField(spelling)
    except ValueError:
        return
    assume(not knob.name.startswith("$"))
    assert list(knob.request_change(1).fields) == [spelling.removeprefix("field:")]
