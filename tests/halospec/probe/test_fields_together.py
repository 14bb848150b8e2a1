from halospec.knobs.request_field import RequestField
from halospec.probe.fields_together import FieldsTogether


def together(*spellings: str) -> FieldsTogether:
    return FieldsTogether([RequestField(spelling) for spelling in spellings])


def test_every_field_is_there():
    change = together("draft_length", "speculative.n_max").request_change(4)

    assert change.fields == {"draft_length": 4, "speculative.n_max": 4}
    assert change.model is None


def test_nested_fields_share_their_object():
    change = together("$.speculative.n_max", "$.speculative.n_min", "$.speculative.draft.k").request_change(2)

    assert change.fields == {"speculative": {"n_max": 2, "n_min": 2, "draft": {"k": 2}}}


def test_its_name_is_theirs():
    assert together("draft_length", "$.a.b").name == "draft_length + $.a.b"
