"""Values of environment variables are taken out of text in every spelling (SPEC 2)."""

import json
import logging
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from muster.activation.model import log
from muster.activation.model.redaction import SHORTEST, RecordingEnviron, redact, redact_error

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as Python": repr,
    "as Python in ASCII": ascii,
    "as Python twice": lambda value: repr(repr(value)),
    "as bytes": lambda value: repr(value.encode()),
    "as JSON": json.dumps,
    "as JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False),
    "as JSON twice": lambda value: json.dumps(json.dumps(value)),
    "as SQL": lambda value: value.replace("'", "''"),
    "as CSV": lambda value: value.replace('"', '""'),
    "in a shell": shlex.quote,
    "in a url": lambda value: quote(value, safe=""),
    "in a path": quote,
    "in a form": quote_plus,
    "in a url twice": lambda value: quote(quote(value)),
    "in small hex": lambda value: "".join(
        f"%{byte:02x}" if byte < 48 or byte > 126 else chr(byte) for byte in value.encode()
    ),
    "folded": lambda value: " ".join(value.split()),
    "without line ends": lambda value: value.replace("\n", "").replace("\r", "").replace("\t", ""),
    "in capitals": lambda value: value.translate({number: number - 32 for number in range(97, 123)}),
    "in small letters": lambda value: value.translate({number: number + 32 for number in range(65, 91)}),
}
WORDS = st.text("abcXYZ0189", min_size=3, max_size=8)
BETWEEN = st.one_of(
    st.text(" \t\n'\"\\`$%&<>+/@:;=?.,-_{}[]äß€😀\x1b\u200b", max_size=5),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3),  # no variable can hold \0
)
VALUES = st.builds(
    "{}{}{}{}{}".format, BETWEEN, WORDS, BETWEEN, WORDS, BETWEEN
)  # at least six that no spelling changes


def unquoted(text: str) -> str:
    """Text without the escapes and codes of characters around a value."""
    codes = r"\\+(?:x[0-9a-f]{2}|U[0-9a-f]{8}|u[0-9a-f]{4}|[nrtabfv])|(?:%(?:25)*[0-9a-f]{2})|^b"
    return re.sub(codes, "", text, flags=re.IGNORECASE)


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(value=VALUES)
@settings(max_examples=25, deadline=None)
def test_no_spelling_of_a_value_is_left(spelling: str, value: str) -> None:
    """SPEC 2: whatever has become of quotes, line ends and blanks, `${NAME}` stands where the value was."""
    shown = redact(f"<{SPELLINGS[spelling](value)}>", {"NAME": value})
    assert "${NAME}" in shown
    rest = shown.replace("${NAME}", "").strip("<>")
    assert not any(character.isascii() and character.isalnum() for character in unquoted(rest)), shown


@given(st.text("abcdef019+/=-_.ä ", min_size=10, max_size=40), st.integers(SHORTEST, 30), st.sampled_from(["...", "…"]))
def test_text_that_is_cut_off_in_a_value(value: str, length: int, mark: str) -> None:
    """SPEC 2: the beginning of a value before `...` is a part of the secret."""
    value = f"q{value.strip(' .')}q"
    begun = value[: min(length, len(value) - 1)].rstrip(" .")
    assume(sum(character.isalnum() for character in begun) >= SHORTEST)
    assert redact(f"where: {begun}{mark}", {"NAME": value}) == f"where: ${{NAME}}{mark}"


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("first line\nsecond line\n", "at 'second line' in", "at '${S}' in"),
        ("https://me:pass-word@host/x?sig=abc%2Fdef", "password 'pass-word'", "password '${S}'"),
        ("https://me:pass-word@host/x?sig=abc%2Fdef", "query sig=abc/def", "query ${S}"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9", "header eyJhbGciOiJIUzI1NiJ9", "header ${S}"),
        (
            "it's 'never closed here",
            "where: ${S}: text that starts with 'never closed here",
            "where: ${S}: text that starts with '${S}",
        ),
        ("country = 'US'", "unknown column 'country'", "unknown column 'country'"),
        ("short", "short", "short"),
        ("      ", "x       y", "x       y"),
        ("''''''", "x '''''' y", "x ${S} y"),
        ("a b  c", "it is a b c", "it is ${S}"),
        ("a b  c", "abc", "abc"),
        ("secret", "SECRET", "${S}"),
        ("000000'%'", "000000%27%25%27", "${S}%27"),
        ("000000''%", "000000%27%27%25", "${S}"),
        ("000000'%27", "000000'%27", "${S}"),
        ("100% of'it", "100%25%20of%27it", "${S}"),
        ("q0000 +0000q", "where: q0000 +0...", "where: ${S}..."),
        ("q0000 +0000q", "where: q0000...", "where: ${S}..."),
    ],
)
def test_what_is_a_secret(value: str, text: str, shown: str) -> None:
    """SPEC 2: lines, long words, ends, passwords and queries are secrets too; what is found in any text is none."""
    assert redact(text, {"S": value}) == shown


@given(st.text("mnopq .,'\"\n\\%5", max_size=60), VALUES)
def test_other_text_stays(text: str, value: str) -> None:
    """Text without anything of the value is not changed."""
    assert redact(text, {"NAME": value}) == text


def test_errors_are_redacted_with_their_notes() -> None:
    """SPEC 9: details that `-v` shows hold no secret either."""
    error = ValueError("no login as 'top  secret'", 3)
    error.add_note("tried top\tsecret")
    redact_error(error, {"PW": "top  secret"})
    assert (error.args, error.__notes__) == (("no login as '${PW}'", 3), ["tried ${PW}"])


def test_every_logger_of_muster_redacts(caplog: pytest.LogCaptureFixture) -> None:
    """SPEC 2: what is logged far from the workspace, with arguments, holds no value of any workspace opened so far."""
    log.keep_out({"LOG_PW": "a log's\tpassword", "SHORT": "abc"})
    caplog.set_level(logging.DEBUG)
    log.logger("muster.deliver").warning("%s: %r refused, %d tries", "sftp://x", "a log's\tpassword", 3)
    assert caplog.messages == ['sftp://x: "${LOG_PW}" refused, 3 tries']
    log.logger("muster.deliver").warning("abc 100%")
    assert caplog.messages[-1] == "abc 100%"


def test_an_environment_records_what_is_asked() -> None:
    """SPEC 2: values that were read are secrets; names that were not set decide when a config is checked again."""
    environ = RecordingEnviron({"A": "1", "B": "2", "C": ""})
    assert environ["A"] == "1"
    assert environ.get("X") is None
    assert "Y" not in environ
    assert environ.get("C") == ""
    assert (environ.used, environ.absent) == ({"A": "1", "C": ""}, {"X", "Y"})
