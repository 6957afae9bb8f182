"""Walk and splice: the sender's bytes stay, only the edited code points change."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubbers.event import DocumentError, Edit, TooDeep, leaves, literal_spans, parse, pointers, raw_edits, splice

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def edited(text: str, change) -> str:
    """The document with `change(leaf)` as new text of each leaf it returns something for."""
    found = leaves(parse(text), 99)
    spans = literal_spans(text, len(found))
    edits = []
    for leaf in found:
        new = change(leaf)
        if new is not None:
            edits += raw_edits(text, spans[leaf.ordinal], [Edit(0, len(leaf.text), new)])
    return splice(text, edits)


def test_numbers_spacing_escapes_and_order_stay() -> None:
    """Only the value changes."""
    text = '{ "b":1.00,"a" : [1e5, "x\\u00e9\\/y", "NAME"],"c":18446744073709551616 }'
    assert edited(text, lambda leaf: "pc" if leaf.text == "NAME" else None) == text.replace("NAME", "pc")


def test_edits_inside_escaped_text_land_on_the_right_code_points() -> None:
    """Behind escapes, surrogate pairs and line breaks."""
    text = '{"m":"\\u00e9\\ud83d\\ude00\\r\\n\\"FS01\\"\\\\x"}'
    [_, leaf] = leaves(parse(text), 9)
    start = leaf.text.index("FS01")
    [span] = literal_spans(text, 2)[1:]
    assert splice(text, list(raw_edits(text, span, [Edit(start, start + 4, "pc")]))) == text.replace("FS01", "pc")


def test_a_member_named_twice_is_not_certain() -> None:
    """One of the two was never seen."""
    text = '{"a":"x","a":"y"}'
    with pytest.raises(DocumentError):
        literal_spans(text, len(leaves(parse(text), 9)))


def test_depth_is_bounded() -> None:
    """Exactly."""
    assert len(leaves(parse('[["x"]]'), 2)) == 1
    with pytest.raises(TooDeep):
        leaves(parse('[[["x"]]]'), 2)
    with pytest.raises(TooDeep):
        parse("[" * 2_000 + "]" * 2_000)


def test_paths_are_semantic() -> None:
    """Dotted members, array items, OTLP attributes and name-value pairs."""
    document = {
        "host.name": "a",
        "l": ["b"],
        "attributes": [{"key": "host.ip", "value": {"arrayValue": {"values": [{"stringValue": "c"}]}}}],
        "tags": [{"tag": "host", "value": "d"}],
    }
    found = {leaf.text: leaf.path for leaf in leaves(document, 20) if not leaf.is_key and len(leaf.text) == 1}
    assert found == {
        "a": ("host", "name"),
        "b": ("l", "*"),
        "c": ("@otlp", "host", "ip", "*"),
        "d": ("tags", "*", "host"),
    }


@given(JSON)
def test_every_string_is_a_literal_in_document_order(document: object) -> None:
    """So ordinals, spans and pointers agree; replacing all by themselves changes no value."""
    text = orjson.dumps(document).decode()
    found = leaves(parse(text), 99)
    spans = literal_spans(text, len(found))
    assert [orjson.loads(text[start:end]) for start, end in spans] == [leaf.text for leaf in found]
    assert len(pointers(document)) == len(found)
    assert orjson.loads(edited(text, lambda leaf: leaf.text)) == document
