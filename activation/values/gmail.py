"""E-mail addresses as Gmail delivers to them: dots and what follows a plus sign make no other mailbox (M1)."""

import polars as pl

_OF_GMAIL = r"(?i)\A[^@+]*[^@+.][^@+]*(?:\+[^@]*)?@(?:gmail|googlemail)\.com\z"  # something is left of the name


def delivered_to(addresses: pl.Expr) -> pl.Expr:
    """Each address (String) without white space, and of Gmail without dots and ``+suffix`` before the ``@``.

    The case stays. So does an address of which no name would be left.
    """
    bare = addresses.str.replace_all(r"\s", "")
    name = bare.str.replace(r"[+@].*\z", "").str.replace_all(".", "", literal=True)
    of_gmail = pl.concat_str(name, bare.str.extract(r"(@[^@]*)\z"))
    return pl.when(bare.str.contains(_OF_GMAIL)).then(of_gmail).otherwise(bare)
