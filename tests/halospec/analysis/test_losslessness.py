from halospec.analysis.losslessness import losslessness
from halospec.records.schema import Phase
from summarized import measured


def reply(make_record, mode, prompt_id, text, **fields):
    return make_record(mode=mode, prompt_id=prompt_id, text_sha256=text, **fields)


def agreement(records, temperature=0.0):
    found = losslessness(measured(records), temperature)
    assert found is not None
    return {mode.mode: (mode.agreeing, mode.compared) for mode in found.modes}


def test_texts_are_compared_with_fixed_0_prompt_by_prompt(make_record):
    records = [
        reply(make_record, "fixed_4", "p1", "a"),
        reply(make_record, "fixed_4", "p2", "changed"),
        reply(make_record, "fixed_4", "prompt without a reference", "x"),
        reply(make_record, "fixed_0", "p1", "a"),
        reply(make_record, "fixed_0", "p2", "b"),
    ]
    assert agreement(records) == {"fixed_0": (2, 2), "fixed_4": (1, 2)}


def test_a_server_that_disagrees_with_itself_shows_it_in_fixed_0(make_record):
    records = [reply(make_record, "fixed_0", "p1", text) for text in ("a", "b", "a")]
    assert agreement(records) == {"fixed_0": (2, 3)}


def test_warm_up_failures_and_missing_hashes_are_not_compared(make_record):
    records = [
        reply(make_record, "fixed_0", "p1", "warm", phase=Phase.WARMUP),
        reply(make_record, "fixed_0", "p1", "cut", success=False, error="stream cut"),
        reply(make_record, "fixed_0", "p1", "a"),
        reply(make_record, "fixed_4", "p1", None),
    ]
    assert agreement(records) == {"fixed_0": (1, 1), "fixed_4": (0, 0)}


def test_there_is_nothing_to_say_without_hashes_a_reference_or_temperature_0(make_record):
    hashless = measured([make_record(mode="fixed_0"), make_record(mode="fixed_4")])
    no_reference = measured([reply(make_record, "fixed_4", "p1", "a")])
    complete = measured([reply(make_record, "fixed_0", "p1", "a")])

    assert losslessness(hashless, 0.0) is None
    assert losslessness(no_reference, 0.0) is None
    assert losslessness(complete, 0.7) is None
    assert losslessness(complete, None) is None


def test_a_request_with_words_of_its_own_before_the_prompt_is_compared_with_none(make_record):
    own = reply(make_record, "fixed_4", "p1", "other words, other text", nonce="otter slate")
    records = [reply(make_record, "fixed_0", "p1", "a"), reply(make_record, "fixed_4", "p1", "a"), own]
    assert agreement(records) == {"fixed_0": (1, 1), "fixed_4": (1, 1)}


def test_where_all_have_words_of_their_own_there_is_nothing_to_say(make_record):
    records = [reply(make_record, mode, "p1", "a", nonce=f"word {mode}") for mode in ("fixed_0", "fixed_4")]
    assert losslessness(measured(records), 0.0) is None
