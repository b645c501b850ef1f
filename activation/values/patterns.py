"""Regular expressions that a whole text must match, in the syntax of Polars (Rust's ``regex``)."""

import polars as pl


def whole(pattern: str) -> str:
    """The pattern for ``str.contains`` that is found in a text only if all of it matches ``pattern``."""
    return rf"\A(?:{pattern})\z"


def mistake(pattern: str) -> str:
    """What is wrong with a regular expression, on one line; empty if nothing is."""
    for each in (pattern, whole(pattern)):
        try:
            pl.select(pl.lit("").str.contains(each))
        except pl.exceptions.PolarsError as error:
            return _reason(str(error))
    return ""


def _reason(message: str) -> str:
    """What the parser says below its drawing of the place, without the expression that Polars adds."""
    lines = [line.strip() for line in message.splitlines()]
    found = next((line for line in lines if line.startswith("error:")), lines[0])
    return found.removeprefix("regex error:").removeprefix("error:").strip()
