"""The words of the push socket: what is refused, what is written, and that the document says the same."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from press3.features import event_kinds
from push.asyncapi import document, to_yaml
from push.errors import BadMessage, close_reason
from push.messages import Ack, Hello, encode, encode_welcome, parse
from store.outbox import Message

ROOT = Path(__file__).parents[2]


def test_hello_and_ack_are_understood() -> None:
    assert parse('{"type":"hello","ticket":"t","last_seq":7}') == Hello(
        type="hello", ticket="t", last_seq=7
    )
    assert parse('{"type":"hello","ticket":"t","last_seq":null}') == Hello(type="hello", ticket="t")
    assert parse(b'{"type":"ack","pop_id":"p"}') == Ack(type="ack", pop_id="p")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON"),
        ("", "Invalid JSON"),
        ("[1]", "object"),
        ("{}", "type"),
        ('{"type":"shout"}', "'hello', 'ack'"),
        ('{"type":"hello"}', "ticket"),
        ('{"type":"hello","ticket":""}', "ticket"),
        ('{"type":"hello","ticket":"t","last_seq":"7"}', "last_seq"),
        ('{"type":"hello","ticket":"t","last_seq":-1}', "last_seq"),
        ('{"type":"hello","ticket":"t","last_seq":9223372036854775808}', "last_seq"),
        ('{"type":"hello","ticket":"t","last_seq":1.5}', "last_seq"),
        ('{"type":"ack","pop_id":"p","extra":1}', "extra"),
        (b"\xff\xfe", "Invalid JSON"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(text: str | bytes, says: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse(text)
    assert says in str(refused.value)
    assert len(close_reason(refused.value).encode()) <= 123


def test_a_close_reason_never_ends_inside_a_letter() -> None:
    reason = close_reason(BadMessage("ж" * 100))
    assert reason == "ж" * 61


def test_an_event_is_the_outbox_row() -> None:
    at = datetime(2026, 11, 21, 14, 5, 0, 250000, tzinfo=UTC)
    row = Message(type="link.lost", at=at, audience={}, data={"pbx": "главная"}, seq=9)
    assert json.loads(encode(row)) == {
        "seq": 9,
        "type": "link.lost",
        "at": "2026-11-21T14:05:00.250000+00:00",
        "data": {"pbx": "главная"},
    }


def test_undecodable_bytes_of_a_callers_name_still_make_valid_text() -> None:
    text = encode_welcome(1, {"pops": [{"caller": {"name": "\udcff"}}], "calls": []})
    assert json.loads(text.decode())["snapshot"]["pops"][0]["caller"]["name"] == "\udcff"


def test_the_document_in_docs_is_the_one_these_types_make() -> None:
    text = (ROOT / "docs" / "asyncapi.yaml").read_text()
    assert text == to_yaml(document(event_kinds())), (
        "stale: python -m press3.asyncapi > docs/asyncapi.yaml"
    )
    assert yaml.safe_load(text) == document(event_kinds())


def test_every_event_type_is_documented() -> None:
    named = {
        message["name"] for message in document(event_kinds())["components"]["messages"].values()
    }
    assert named == {"hello", "ack", "welcome", *event_kinds()}
