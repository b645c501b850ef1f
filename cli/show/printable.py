"""Text without characters that make a terminal act: move its cursor, change colours, turn lines round."""

import re

# Controls but for the line feed, what turns the direction of writing or hides itself, separators of lines, and halves
# of characters.
_ACTS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""The text, with such characters written as ``\x1b`` or ``\u202e``."""
    return (
        text
        if text.isascii() and text.isprintable()
        else _ACTS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    )


def one_line(text: str) -> str:
    """Text for a cell of a table: such characters and line feeds written as escapes."""
    return printable(text).replace("\n", "\\n")


def first_line(text: str) -> str:
    """The first line of a message, for a cell: what went wrong; the ways on are in the lines below it."""
    return one_line(text.partition("\n")[0])
