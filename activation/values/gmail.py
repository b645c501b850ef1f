"""E-mail addresses as Gmail delivers to them: dots and what follows a plus sign make no other mailbox (M1)."""

import re
from collections.abc import Collection

import polars as pl

DOMAINS = ("gmail.com", "googlemail.com")


def delivered_to(addresses: pl.Expr, domains: Collection[str] = DOMAINS) -> pl.Expr:
    """Each address (String) without white space, and at ``domains`` without dots and ``+suffix`` before the ``@``.

    The case stays. So does an address of which no name would be left.
    """
    either = "|".join(map(re.escape, domains))
    of_gmail = rf"(?i)\A[^@+]*[^@+.][^@+]*(?:\+[^@]*)?@(?:{either})\z"  # something is left of the name
    bare = addresses.str.replace_all(r"\s", "")
    name = bare.str.replace(r"[+@].*\z", "").str.replace_all(".", "", literal=True)
    delivered = pl.concat_str(name, bare.str.extract(r"(@[^@]*)\z"))
    return pl.when(bare.str.contains(of_gmail)).then(delivered).otherwise(bare)
