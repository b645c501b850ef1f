"""What is shown of an answer holds nothing that the request carried, in whatever spelling it is quoted (V12)."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.endpoints.http.excerpts import LONGEST, MASK, excerpt

PERSON = {
    "person": {"name": {"firstName": "Marty", "lastName": "McFly-Müller"}, "birthDate": "1968-06-12", "initial": "Q"},
    "personalEmail": {"address": "marty.mcfly@hillvalley.example"},
    "phone": "+49 170 1234567",
    "spent": 8877.25,
    "plate": "B-AT 42",
    "identityMap": {"crmid": [{"id": "p-77x"}]},
}
BODY = json.dumps([PERSON]).encode()
GIVEN = "tok-9f8e7d6c-secret"
CARRIED = (f"Bearer {GIVEN}", GIVEN, "/users/loyal%20ones", "sig=Zm9v&city=M%C3%BCnchen")


def shown(answer: Any) -> str:
    """What is shown of an answer."""
    text = answer if isinstance(answer, str | bytes) else json.dumps(answer)
    return excerpt(text if isinstance(text, bytes) else text.encode(), BODY, CARRIED)


def words(text: str) -> set[str]:
    """The words of a text, in lower case."""
    return set("".join(each if each.isalnum() else " " for each in text.lower()).split())


def test_an_answer_in_its_own_words_is_shown() -> None:
    """V12: of an answer what the receiver says by itself is shown, on one line."""
    assert shown({"code": 100, "message": "invalid parameter"}) == '{"code": 100, "message": "invalid parameter"}'
    assert shown("two\r\nlines\tand   space") == "two lines and space"
    assert shown(b"") == shown(b" \n") == ""


@pytest.mark.parametrize(
    "quoted",
    [
        "marty.mcfly@hillvalley.example",
        "MARTY.MCFLY@HILLVALLEY.EXAMPLE",
        quote("marty.mcfly@hillvalley.example", safe=""),
        quote(quote("marty.mcfly@hillvalley.example", safe=""), safe=""),
        "marty&#46;mcfly&#64;hillvalley&#46;example",
        r"mart\u0079.mcfl\u0079@hillvalle\u0079.example",
        r"mart\\u0079.mcfl\\u0079@hillvalle\\u0079.example",
        "martymcfly",
        "mcfly...",
        "hillv…",
        "xxmartyxx",
        "Muller",
        "MÜLLER",
        "McFly-M\\u00fcller",
        "mcflymüller",
        base64.b64encode(b"marty.mcfly@hillvalley.example").decode(),
        base64.urlsafe_b64encode(b"id: p-77x").decode().rstrip("="),
        b"marty.mcfly@hillvalley.example".hex(),
        "491701234567",
        "0170 1234567",
        "1234-567",
        "12.06.1968",
        "8877.25",
        "8,877.25 and 88772",
        "'Q'",
        GIVEN,
        f"Basic {base64.b64encode(GIVEN.encode()).decode()}",
        GIVEN[:9],
        quote(quote("McFly-Müller")),
        "&#109;&#97;&#114;&#116;&#121;",
        base64.urlsafe_b64encode(b">>>>>> marty").decode(),
        "BAT42",
        "München",
        "loyal ones",
        "Zm9v",
    ],
)
def test_nothing_that_a_request_carried_is_shown(quoted: str) -> None:
    """V12: values and credentials are masked whole, in parts, in capitals, without accents, escaped or encoded."""
    said = shown(f"value {quoted} is wrong")
    assert said.startswith("value ")
    assert said.endswith(" is wrong")
    kept = words(said) - {"value", "is", "wrong", "and", "basic"}
    carried = words(BODY.decode()) | words(json.dumps(PERSON, ensure_ascii=False)) | words(" ".join(CARRIED))
    assert not {word for word in kept if len(word) > 2 or word in carried}, said


def test_a_body_that_is_quoted_whole_shows_its_keys_alone() -> None:
    """V12: names of fields stand in the config; no value of them is shown."""
    said = shown({"received": [PERSON], "headers": {"authorization": f"Bearer {GIVEN}"}})
    assert "firstName" in said
    assert not words(said) & {
        "marty",
        "mcfly",
        "müller",
        "1968",
        "hillvalley",
        "1234567",
        "8877",
        "77x",
        "tok",
        "secret",
    }


def test_an_answer_is_cut_at_300_characters_after_values_were_masked() -> None:
    """V12: at most 300 characters; a value at the cut is masked, not halved."""
    said = shown("a " * 148 + "marty.mcfly@hillvalley.example " + "b " * 400)
    assert len(said) == LONGEST
    assert said.endswith("…")
    assert "mar" not in said


def test_an_answer_cannot_write_on_the_terminal() -> None:
    """V12: control characters, colours and marks of direction are no part of an excerpt."""
    said = shown("\x1b[31mred\x1b[0m \u202egnorw\u202c \x07 bell \\u001b[2J")
    assert said.isprintable()
    assert "\u202e" not in said


def test_bytes_that_are_no_utf_8_and_bodies_that_are_no_json_are_looked_at_too() -> None:
    """V12: whatever the encodings."""
    assert "wrong" in shown(b"\xff\xfe wrong \x80")
    assert excerpt(b"cannot read Marty here", b"name=Marty&x=1", ()) == f"cannot read {MASK} here"
    assert excerpt(b"deep", b"[" * 200_000, ()) == "deep"


def test_long_runs_that_look_like_keys_are_never_shown() -> None:
    """V12: a token of another form is no word."""
    assert shown("trace 9f8a7b6c5d4e3f2a1b0c9d8e") == f"trace {MASK}"
    assert shown("x" * 500) == MASK


@given(
    value=st.text("aeszK\u00e4\u00df\u00c9\u0416\u65e5019 @.-_+'\"\\/&<%#\U0001f600\u0301", min_size=4, max_size=30),
    spell=st.sampled_from([str, str.upper, str.lower, quote, json.dumps, lambda text: json.dumps(json.dumps(text))]),
)
def test_no_word_of_a_value_is_shown(value: str, spell: Any) -> None:
    """V12: property: whatever a value is, and however it is quoted, no word of it of four characters is shown."""
    said = excerpt(f"bad: {spell(value)}".encode(), json.dumps({"v": value}).encode(), ())
    found = "".join(each if each.isalnum() else " " for each in value).lower().split()
    assert not [word for word in found if len(word) >= 4 and word in said.lower().removeprefix("bad: ")]
